// compiler/base/TrustedFolder.cpp — see TrustedFolder.h: judging and reading. Writing: TrustedWrites.cpp.
#include "compiler/base/TrustedFolder.h"

#include "compiler/base/Files.h"
#include "compiler/base/InputFile.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>

namespace quern {

std::string distrust(const struct stat& info, bool folder) {
  std::string odd = oddKind(info.st_mode);
  if (folder ? !S_ISDIR(info.st_mode) : !odd.empty())
    return fmt::format("{}, {} is needed", odd.empty() ? "is a file" : odd, folder ? "a folder" : "a regular file");
  if (info.st_uid != ::geteuid() && info.st_uid != 0) return fmt::format("belongs to user {}; chown would mend that", info.st_uid);
  mode_t mode = info.st_mode & 07777;
  if ((mode & (S_IWGRP | S_IWOTH)) != 0) return fmt::format("others can write to it (mode {:04o}); chmod go-w would mend that", mode);
  if (folder) return "";
  if ((mode & (S_ISUID | S_ISGID | S_ISVTX)) != 0) return fmt::format("has set-id bits (mode {:04o}); chmod 0600 would mend that", mode);
  // None at all is fine: it was replaced after it was opened.
  if (info.st_nlink > 1) return fmt::format("has {} names; a copy with one would do", info.st_nlink);
  return "";
}

static Error untrusted(const std::string& path, const std::string& why) { return badInput(fmt::format("{}: {}", escaped(path), why)); }

static bool isAbsent(int error) { return error == ENOENT; }

/// Opens a folder for listing, or at least for looking into it.
static int openFolder(int parent, const char* name) {
  int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == EACCES) fd = ::openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return fd;
}

Result<std::optional<TrustedFolder>> TrustedFolder::openAt(int parent, const std::string& name, std::string path) {
  Descriptor folder(openFolder(parent, name.c_str()));
  struct stat info{};
  if (!folder) {
    int why = errno;
    if (isAbsent(why)) return std::optional<TrustedFolder>();
    // What is there instead says more than the system's reason.
    bool seen = ::fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
    return untrusted(path, seen && !S_ISDIR(info.st_mode) ? distrust(info, true) : std::strerror(why));
  }
  if (::fstat(folder.get(), &info) != 0) return untrusted(path, std::strerror(errno));
  if (std::string why = distrust(info, true); !why.empty()) return untrusted(path, why);
  return std::optional(TrustedFolder(std::move(path), std::move(folder)));
}

Result<std::optional<TrustedFolder>> TrustedFolder::open(const std::string& path) {
  std::string bare = path;
  while (bare.size() > 1 && bare.back() == '/') bare.pop_back();  // with the slash a link would be followed
  return openAt(AT_FDCWD, bare, path);
}

Result<std::optional<TrustedFolder>> TrustedFolder::folder(const std::string& name) const {
  return openAt(descriptor_.get(), name, path_ + "/" + name);
}

Result<std::optional<Descriptor>> TrustedFolder::openFile(const std::string& name, int64_t& bytes) const {
  std::string path = path_ + "/" + name;
  struct stat info{};
  if (::fstatat(descriptor_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (isAbsent(errno)) return std::optional<Descriptor>();
    return untrusted(path, std::strerror(errno));
  }
  // Before opening, since to open a device can do something; and on what was opened, since only that is read.
  if (std::string why = distrust(info, false); !why.empty()) return untrusted(path, why);
  Descriptor file(::openat(descriptor_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file || ::fstat(file.get(), &info) != 0) {
    if (isAbsent(errno)) return std::optional<Descriptor>();
    return untrusted(path, errno == ELOOP ? "is a link" : std::strerror(errno));
  }
  if (std::string why = distrust(info, false); !why.empty()) return untrusted(path, why);
  bytes = info.st_size;
  return std::optional(std::move(file));
}

Result<std::optional<std::string>> TrustedFolder::read(const std::string& name, int64_t most) const {
  int64_t bytes = 0;
  auto file = openFile(name, bytes);
  if (!file) return file.error();
  if (!*file) return std::optional<std::string>();
  auto all = readAll(**file, path_ + "/" + name, bytes, most);
  if (!all) return all.error();
  return std::optional(std::move(*all));
}

std::vector<std::string> TrustedFolder::names() const { return listDescriptor(descriptor_); }

}  // namespace quern
