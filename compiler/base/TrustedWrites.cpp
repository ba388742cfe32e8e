// compiler/base/TrustedWrites.cpp — see TrustedFolder.h: making, replacing, appending, and tidying up after killed writers.
#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "compiler/base/TrustedFolder.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

namespace quern {

static constexpr mode_t kFileMode = 0600, kFolderMode = 0700;

static Error cannot(const std::string& path, const char* what, int why) {
  return machineLacks(fmt::format("{}: cannot {}: {}", escaped(path), what, std::strerror(why)));
}

Result<TrustedFolder> TrustedFolder::make(const std::string& path) {
  if (auto good = makeDirectories(path, kFolderMode); !good) return good.error();
  auto folder = open(path);
  if (!folder) return machineLacks(folder.error().message);
  if (!*folder) return cannot(path, "make the directory", ENOENT);
  return std::move(**folder);
}

Result<TrustedFolder> TrustedFolder::makeFolder(const std::string& name) const {
  std::string path = path_ + "/" + name;
  bool made = ::mkdirat(descriptor_.get(), name.c_str(), kFolderMode) == 0;
  if (!made && errno != EEXIST) return cannot(path, "make the directory", errno);
  if (made) ::fchmodat(descriptor_.get(), name.c_str(), kFolderMode, 0);  // the umask may have taken bits away
  auto inside = folder(name);
  if (!inside) return machineLacks(inside.error().message);
  if (!*inside) return cannot(path, "make the directory", ENOENT);
  return std::move(**inside);
}

/// A new file that its writer holds the lock of: what nobody holds was left behind. Sets `name` to what it is called.
static Descriptor newFile(int folder, const std::string& called, std::string& name) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    Descriptor file = createBeside(folder, called, kFileMode, name);
    if (!file) return file;
    struct stat info{};
    bool swept = ::flock(file.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;  // a file system without locks: nobody sweeps
    if (!swept && ::fstat(file.get(), &info) == 0 && info.st_nlink == 1 && ::fchmod(file.get(), kFileMode) == 0) return file;
    int why = errno;
    ::unlinkat(folder, name.c_str(), 0);
    errno = why;
  }
  return {};
}

Result<void> TrustedFolder::replace(const std::string& name, std::string_view bytes) const {
  std::string temporary;
  Descriptor file = newFile(descriptor_.get(), name, temporary);
  if (!file) return cannot(path_ + "/" + name, "write", errno);
  bool written = writeAll(file.get(), bytes) && ::fsync(file.get()) == 0;
  if (!written || ::renameat(descriptor_.get(), temporary.c_str(), descriptor_.get(), name.c_str()) != 0) {
    int why = errno;
    ::unlinkat(descriptor_.get(), temporary.c_str(), 0);
    return cannot(path_ + "/" + name, "write", why);
  }
  ::fsync(descriptor_.get());
  return {};
}

Result<void> TrustedFolder::append(const std::string& name, std::string_view line) const {
  std::string path = path_ + "/" + name;
  int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  struct stat info{};
  if (::fstatat(descriptor_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0)
    if (std::string why = distrust(info, false); !why.empty()) return machineLacks(fmt::format("{}: {}", escaped(path), why));
  Descriptor file(::openat(descriptor_.get(), name.c_str(), flags));
  if (!file && errno == ENOENT) {
    file = Descriptor(::openat(descriptor_.get(), name.c_str(), flags | O_CREAT, kFileMode));
    if (file) ::fchmod(file.get(), kFileMode);
  }
  if (!file) return cannot(path, "append", errno);
  ::flock(file.get(), LOCK_EX);  // other writers of whole lines; where there are no locks, a torn line costs one record
  if (::fstat(file.get(), &info) != 0) return cannot(path, "append", errno);
  if (std::string why = distrust(info, false); !why.empty()) return machineLacks(fmt::format("{}: {}", escaped(path), why));
  char last = '\n';
  if (info.st_size > 0 && ::pread(file.get(), &last, 1, info.st_size - 1) != 1) return cannot(path, "append", errno);
  std::string bytes = fmt::format("{}{}\n", last == '\n' ? "" : "\n", line);
  if (writeAll(file.get(), bytes) && ::fsync(file.get()) == 0) return {};
  int why = errno;
  if (::ftruncate(file.get(), info.st_size) != 0) return cannot(path, "append, nor take back what was written", why);
  return cannot(path, "append", why);
}

bool TrustedFolder::isTemporary(std::string_view name) {
  size_t at = name.rfind(kTemporaryEnding);
  return at != std::string_view::npos && at > 0 && name.size() == at + kTemporaryEnding.size() + kTemporaryLetters;
}

void TrustedFolder::removeAbandoned(const std::string& name) const {
  Descriptor file(::openat(descriptor_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat info{};
  if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_uid != ::geteuid()) return;
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlinkat(descriptor_.get(), name.c_str(), 0);
}

}  // namespace quern
