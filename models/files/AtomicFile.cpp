// models/files/AtomicFile.cpp — see AtomicFile.h.
#include "models/files/AtomicFile.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace quern {

Error AtomicFile::failed() const { return machineLacks(fmt::format("{}: cannot write: {}", escapedShort(path_), std::strerror(errno))); }

Result<AtomicFile> AtomicFile::create(const std::string& given) {
  std::string path = given;
  if (char* resolved = ::realpath(given.c_str(), nullptr); resolved != nullptr) {  // a link's target is what is replaced
    path = resolved;
    std::free(resolved);
  }
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode))
    return badInput(fmt::format("{}: is no regular file, which alone is replaced", escapedShort(path)));
  std::string temporary = path + ".tmpXXXXXX";
  int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  AtomicFile file(path, fd < 0 ? "" : temporary, fd);
  if (fd < 0) return file.failed();
  mode_t mask = ::umask(0);
  ::umask(mask);
  if (::fchmod(fd, 0666 & ~mask) != 0) return file.failed();
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, {})), fd_(std::exchange(other.fd_, -1)) {}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<void> AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t done = ::write(fd_, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done == 0) errno = EIO;
    if (done <= 0) return failed();
    bytes = bytes.subspan(static_cast<size_t>(done));
  }
  return {};
}

Result<void> AtomicFile::pad(int64_t bytes) {
  static constexpr std::byte kZeros[4096] = {};
  for (int64_t left = bytes; left > 0; left -= 4096)
    if (auto good = write(std::span(kZeros).first(static_cast<size_t>(std::min<int64_t>(left, 4096)))); !good) return good;
  return {};
}

Result<void> AtomicFile::commit() {
  if (::fsync(fd_) != 0) return failed();
  if (::close(std::exchange(fd_, -1)) != 0) return failed();
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return failed();
  temporary_.clear();
  size_t slash = path_.rfind('/');
  std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  if (int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); fd >= 0) {
    ::fsync(fd);
    ::close(fd);
  }
  return {};
}

ByteSource sourceOf(std::span<const std::byte> bytes) {
  return [bytes](const ByteSink& put) { return put(bytes); };
}

Result<void> writeAll(AtomicFile& file, const std::string& tensor, int64_t bytes, const ByteSource& source) {
  int64_t given = 0;
  auto bad = [&](const char* more) {
    return badInput(fmt::format("tensor '{}': {} than its {} bytes are given", escapedShort(tensor), more, bytes));
  };
  auto good = source([&](std::span<const std::byte> piece) -> Result<void> {
    given += static_cast<int64_t>(piece.size());
    if (given > bytes) return bad("more");
    return file.write(piece);
  });
  if (!good) return good;
  if (given < bytes) return bad("fewer");
  return {};
}

}  // namespace quern
