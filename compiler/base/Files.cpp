// compiler/base/Files.cpp — see Files.h.
#include "compiler/base/Files.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/sha.h>
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

Result<std::string> readFile(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return badInput(fmt::format("{}: {}", escaped(path), systemReason()));
  struct stat info{};
  if (::fstat(fd, &info) != 0 || S_ISDIR(info.st_mode)) {
    std::string why = S_ISDIR(info.st_mode) ? "is a directory" : systemReason();
    ::close(fd);
    return badInput(fmt::format("{}: {}", escaped(path), why));
  }
  std::string bytes;
  bytes.reserve(static_cast<size_t>(info.st_size));
  char buffer[1 << 16];
  while (true) {
    ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      std::string why = systemReason();
      ::close(fd);
      return badInput(fmt::format("{}: {}", escaped(path), why));
    }
    if (got == 0) break;
    bytes.append(buffer, static_cast<size_t>(got));
  }
  ::close(fd);
  return bytes;
}

static bool writeAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t done = ::write(fd, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(done));
  }
  return true;
}

static std::string directoryOf(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

static void syncDirectory(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

/// Devices and pipes have no name to put a finished file under: they are written as they are.
static Result<void> writeInPlace(const std::string& path, std::string_view bytes) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  bool good = fd >= 0 && writeAll(fd, bytes);
  std::string why = systemReason();
  if (fd >= 0) ::close(fd);
  if (!good) return machineLacks(fmt::format("{}: cannot write: {}", escaped(path), why));
  return {};
}

Result<void> writeFileAtomically(const std::string& given, std::string_view bytes) {
  std::string path = given;
  if (char* resolved = ::realpath(given.c_str(), nullptr); resolved != nullptr) {  // a link's target is what is replaced
    path = resolved;
    std::free(resolved);
  }
  struct stat info{};
  if (::stat(given.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) return writeInPlace(given, bytes);
  std::string temporary = path + ".tmpXXXXXX";
  int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return machineLacks(fmt::format("{}: cannot write: {}", escaped(path), systemReason()));
  mode_t mask = ::umask(0);
  ::umask(mask);
  bool good = ::fchmod(fd, 0666 & ~mask) == 0 && writeAll(fd, bytes) && ::fsync(fd) == 0;
  good = ::close(fd) == 0 && good;
  if (!good || ::rename(temporary.c_str(), path.c_str()) != 0) {
    Error error = machineLacks(fmt::format("{}: cannot write: {}", escaped(path), systemReason()));
    ::unlink(temporary.c_str());
    return error;
  }
  syncDirectory(directoryOf(path));
  return {};
}

Result<void> appendLine(const std::string& path, std::string_view line) {
  int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return machineLacks(fmt::format("{}: cannot append: {}", escaped(path), systemReason()));
  bool good = writeAll(fd, std::string(line) + "\n") && ::fsync(fd) == 0;
  std::string why = systemReason();
  ::close(fd);
  if (!good) return machineLacks(fmt::format("{}: cannot append: {}", escaped(path), why));
  return {};
}

Result<void> makeDirectories(const std::string& path, unsigned mode) {
  std::string so;
  for (const std::string& part : split(path, '/')) {
    so += part + "/";
    if (part.empty() || ::mkdir(so.c_str(), mode) == 0 || errno == EEXIST) continue;
    return machineLacks(fmt::format("{}: cannot make the directory: {}", escaped(so), systemReason()));
  }
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return machineLacks(fmt::format("{}: is not a directory", escaped(path)));
  return {};
}

std::vector<std::string> listDirectory(const std::string& path) {
  std::vector<std::string> names;
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return names;
  while (dirent* entry = ::readdir(directory)) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  ::closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

static std::vector<std::string> configRoots() {
  std::vector<std::string> roots;
  if (const char* own = std::getenv("QUERN_CONFIG_DIR"); own != nullptr && *own != 0) roots.emplace_back(own);
  roots.emplace_back(QUERN_SOURCE_CONFIGS);
  roots.emplace_back(QUERN_SHARE_CONFIGS);
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

std::string sha256(std::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  std::string hex;
  for (unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

}  // namespace quern
