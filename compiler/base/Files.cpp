// compiler/base/Files.cpp — see Files.h.
#include "compiler/base/Files.h"

#include "compiler/base/OwnPath.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef QUERN_SOURCE_CONFIGS
#define QUERN_SOURCE_CONFIGS ""
#endif
#ifndef QUERN_SHARE_CONFIGS
#define QUERN_SHARE_CONFIGS ""
#endif

namespace quern {

static std::string systemReason() { return std::strerror(errno); }

bool writeAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t done = ::write(fd, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done == 0) errno = EIO;  // nothing said, nothing written: not to be asked for ever
    if (done <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(done));
  }
  return true;
}

Descriptor createBeside(int folder, const std::string& called, unsigned mode, std::string& name) {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz012345";
  for (int attempt = 0; attempt < 100; ++attempt) {
    unsigned char random[kTemporaryLetters];
    if (::getrandom(random, sizeof random, 0) != static_cast<ssize_t>(sizeof random)) continue;
    name = called + std::string(kTemporaryEnding);
    for (unsigned char byte : random) name += kAlphabet[byte % kAlphabet.size()];
    Descriptor file(::openat(folder, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (file || (errno != EEXIST && errno != EINTR)) return file;
  }
  return {};
}

std::string directoryOf(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

void syncDirectory(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

/// Devices, pipes and what was opened for us have no name to put a finished file under: they are written as they are. A pipe is not
/// waited for until somebody reads it.
static Result<void> writeInPlace(const std::string& path, std::string_view bytes) {
  auto named = namedDescriptor(path);
  Descriptor file(named ? ::fcntl(*named, F_DUPFD_CLOEXEC, 0) : ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file)
    return machineLacks(fmt::format("{}: cannot write: {}", escaped(path), errno == ENXIO ? "nobody reads from it" : systemReason()));
  if (!named) ::fcntl(file.get(), F_SETFL, 0);  // waits for a slow reader
  bool good = writeAll(file.get(), bytes);
  std::string why = systemReason();
  good = ::close(file.release()) == 0 && good;
  if (!good) return machineLacks(fmt::format("{}: cannot write: {}", escaped(path), why));
  return {};
}

Result<void> writeFileAtomically(const std::string& given, std::string_view bytes) {
  if (namedDescriptor(given)) return writeInPlace(given, bytes);
  std::string path = given;
  if (char* resolved = ::realpath(given.c_str(), nullptr); resolved != nullptr) {  // a link's target is what is replaced
    path = resolved;
    std::free(resolved);
  }
  struct stat info{};
  if (::stat(given.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) return writeInPlace(given, bytes);
  std::string temporary;
  Descriptor file = createBeside(AT_FDCWD, path, 0666, temporary);
  if (!file) return machineLacks(fmt::format("{}: cannot write: {}", escaped(path), systemReason()));
  bool good = writeAll(file.get(), bytes) && ::fsync(file.get()) == 0;
  int why = errno;
  if (::close(file.release()) != 0 && good) good = false, why = errno;
  if (good && ::rename(temporary.c_str(), path.c_str()) != 0) good = false, why = errno;
  if (!good) {
    ::unlink(temporary.c_str());
    return machineLacks(fmt::format("{}: cannot write: {}", escaped(path), std::strerror(why)));
  }
  syncDirectory(directoryOf(path));
  return {};
}

static constexpr unsigned kPrivate = 0700;

Result<void> makeDirectories(const std::string& path, unsigned mode) {
  std::string so;
  for (const std::string& part : split(path, '/')) {
    so += part + "/";
    bool made = !part.empty() && ::mkdir(so.c_str(), mode) == 0;
    if (made && mode == kPrivate) ::chmod(so.c_str(), kPrivate);  // the umask may have taken bits away
    if (made || part.empty() || errno == EEXIST) continue;
    return machineLacks(fmt::format("{}: cannot make the directory: {}", escaped(so), systemReason()));
  }
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return machineLacks(fmt::format("{}: is not a directory", escaped(path)));
  return {};
}

static std::vector<std::string> namesIn(DIR* directory) {
  std::vector<std::string> names;
  if (directory == nullptr) return names;
  while (dirent* entry = ::readdir(directory)) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  ::closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> listDirectory(const std::string& path) { return namesIn(::opendir(path.c_str())); }

std::vector<std::string> listDescriptor(const Descriptor& directory) {
  int own = ::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);  // a position of its own
  DIR* opened = own < 0 ? nullptr : ::fdopendir(own);
  if (opened == nullptr && own >= 0) ::close(own);
  return namesIn(opened);
}

static std::vector<std::string> configRoots() {
  std::vector<std::string> roots;
  if (const char* own = std::getenv("QUERN_CONFIG_DIR"); own != nullptr && *own != 0) roots.emplace_back(own);
  roots.emplace_back(QUERN_SOURCE_CONFIGS);
  for (std::string& shared : shareFolders()) roots.push_back(std::move(shared));
  return roots;
}

Result<std::string> findConfig(const std::string& kind, const std::string& nameOrPath) {
  bool isPath = nameOrPath.find('/') != std::string::npos || nameOrPath.ends_with(".toml");
  if (isPath) return nameOrPath;
  for (const std::string& root : configRoots()) {
    std::string path = root + "/" + kind + "/" + nameOrPath + ".toml";
    if (::access(path.c_str(), R_OK) == 0) return path;
  }
  std::vector<std::string> known = configNames(kind);
  return badInput(fmt::format("{}: no '{}'{}; known: {}", kind, escaped(nameOrPath), didYouMean(nameOrPath, known), join(known, ", ")));
}

std::vector<std::string> configNames(const std::string& kind) {
  std::vector<std::string> names;
  for (const std::string& root : configRoots())
    for (const std::string& file : listDirectory(root + "/" + kind))
      if (file.ends_with(".toml")) names.push_back(file.substr(0, file.size() - 5));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace quern
