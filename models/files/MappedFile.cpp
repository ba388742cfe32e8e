// models/files/MappedFile.cpp — see MappedFile.h.
#include "models/files/MappedFile.h"

#include "compiler/base/Checked.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace quern {

/// What `info` is, where it is no regular file with something in it; else "".
static std::string unfit(const struct stat& info) {
  if (S_ISDIR(info.st_mode)) return "is a directory";
  if (S_ISFIFO(info.st_mode)) return "is a pipe, a regular file is needed";
  if (S_ISSOCK(info.st_mode)) return "is a socket, a regular file is needed";
  if (!S_ISREG(info.st_mode)) return "is a device, a regular file is needed";
  return info.st_size == 0 ? "is empty" : "";
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: {}", escapedShort(path), why)); };
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return bad(std::strerror(errno));
  if (std::string why = unfit(info); !why.empty()) return bad(why);  // before opening: to open a device can do something
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return bad(std::strerror(errno));
  if (::fstat(fd, &info) != 0 || !unfit(info).empty()) {
    ::close(fd);
    return bad("changed while it was opened");
  }
  void* data = ::mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
  int why = errno;
  ::close(fd);
  if (data == MAP_FAILED)
    return machineLacks(
        fmt::format("{}: cannot map {}: {}", escapedShort(path), humanBytes(static_cast<double>(info.st_size)), std::strerror(why)));
  return MappedFile(path, static_cast<const std::byte*>(data), info.st_size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), static_cast<size_t>(bytes_));
}

void MappedFile::drop(int64_t offset, int64_t bytes) const {
  int64_t page = ::sysconf(_SC_PAGESIZE);
  int64_t first = roundUp(std::clamp<int64_t>(offset, 0, bytes_), page);
  int64_t end = std::clamp<int64_t>(offset + bytes, 0, bytes_);
  if (end < bytes_) end -= end % page;  // the file's last page is its own as far as it goes
  if (first < end) ::madvise(const_cast<std::byte*>(data_) + first, static_cast<size_t>(end - first), MADV_DONTNEED);
}

}  // namespace quern
