// compiler/base/InputFile.cpp — see InputFile.h.
#include "compiler/base/InputFile.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <new>
#include <poll.h>
#include <stdexcept>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace quern {

std::string oddKind(mode_t mode) {
  if (S_ISREG(mode)) return "";
  if (S_ISDIR(mode)) return "is a directory";
  if (S_ISFIFO(mode)) return "is a pipe";
  if (S_ISSOCK(mode)) return "is a socket";
  if (S_ISLNK(mode)) return "is a link";
  return "is a device";
}

std::optional<int> namedDescriptor(const std::string& path) {
  constexpr std::string_view kStandard[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
  for (int fd = 0; fd < 3; ++fd)
    if (path == kStandard[fd]) return fd;
  for (std::string_view folder : {"/dev/fd/", "/proc/self/fd/"})
    if (path.starts_with(folder))
      if (auto fd = parseInt(std::string_view(path).substr(folder.size())); fd && *fd >= 0 && *fd <= 1 << 20) return static_cast<int>(*fd);
  return std::nullopt;
}

/// What was opened for us before we began may be a stream: whoever started us put it there.
static Result<InputFile> openDescriptor(int fd, const std::string& path) {
  InputFile file{Descriptor(::fcntl(fd, F_DUPFD_CLOEXEC, 0)), 0, true};
  struct stat info{};
  if (!file.descriptor || ::fstat(fd, &info) != 0) return badInput(fmt::format("{}: {}", escaped(path), std::strerror(errno)));
  bool nothing = S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3);  // /dev/null
  bool stream = S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode) || nothing || ::isatty(fd) == 1;
  if (std::string odd = oddKind(info.st_mode); !odd.empty() && !stream)
    return badInput(fmt::format("{}: {}, a file or a pipe is needed", escaped(path), odd));
  file.regular = S_ISREG(info.st_mode);
  file.bytes = file.regular ? info.st_size : 0;
  return file;
}

Result<InputFile> openInput(const std::string& path) {
  if (auto fd = namedDescriptor(path)) return openDescriptor(*fd, path);
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: {}", escaped(path), why)); };
  auto unfit = [](mode_t mode) {
    std::string odd = oddKind(mode);
    return odd.empty() || S_ISDIR(mode) ? odd : odd + ", a regular file is needed";
  };
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return bad(std::strerror(errno));
  if (std::string why = unfit(info.st_mode); !why.empty()) return bad(why);  // before opening: to open a device can do something
  InputFile file{Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)), 0, true};
  if (!file.descriptor || ::fstat(file.descriptor.get(), &info) != 0) return bad(std::strerror(errno));
  if (std::string why = unfit(info.st_mode); !why.empty()) return bad(why);
  file.bytes = info.st_size;
  return file;
}

/// One read that waits where a stream has nothing yet. Like read(2).
static ssize_t readSome(int fd, char* into, size_t bytes) {
  while (true) {
    ssize_t got = ::read(fd, into, bytes);
    if (got >= 0 || (errno != EINTR && errno != EAGAIN)) return got;
    pollfd ready{fd, POLLIN, 0};
    struct stat info{};
    bool waits = errno == EAGAIN && ::fstat(fd, &info) == 0 && !S_ISREG(info.st_mode);
    if (errno == EAGAIN && !waits) return got;
    if (waits) ::poll(&ready, 1, -1);
  }
}

Result<std::string> readAll(const Descriptor& from, const std::string& name, int64_t expected, int64_t most) {
  auto tooLong = [&] {
    return badInput(
        fmt::format("{}: has more than {}, the most that is read of such a file", escaped(name), humanBytes(static_cast<double>(most))));
  };
  if (expected > most) return tooLong();
  try {
    std::string bytes;
    bytes.reserve(static_cast<size_t>(std::max<int64_t>(0, expected)));
    char buffer[1 << 15];
    while (true) {
      ssize_t got = readSome(from.get(), buffer, sizeof buffer);
      if (got < 0) return badInput(fmt::format("{}: {}", escaped(name), std::strerror(errno)));
      if (got == 0) return bytes;
      if (static_cast<int64_t>(bytes.size()) + got > most) return tooLong();
      bytes.append(buffer, static_cast<size_t>(got));
    }
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
  return machineLacks(fmt::format("{}: no memory for its {}", escaped(name), humanBytes(static_cast<double>(expected))));
}

Result<std::string> readFile(const std::string& path, int64_t most) {
  auto file = openInput(path);
  if (!file) return file.error();
  return readAll(file->descriptor, path, file->bytes, most);
}

}  // namespace quern
