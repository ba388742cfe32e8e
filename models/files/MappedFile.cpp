// models/files/MappedFile.cpp — see MappedFile.h.
#include "models/files/MappedFile.h"

#include "compiler/base/Checked.h"
#include "compiler/base/InputFile.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <mutex>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace quern {

/// A mapping, for mappedFileAt(). One of no length is free for the next; none is ever freed, so that a handler may walk the list.
struct MappedRange {
  std::atomic<uintptr_t> begin{0}, end{0};
  std::array<char, 512> path{};
  MappedRange* next = nullptr;
};

/// The process's mappings: a signal handler knows no object to ask.
static std::atomic<MappedRange*> firstRange{nullptr};
static std::mutex rangesMutex;

static MappedRange* registered(const std::byte* data, int64_t bytes, const std::string& path) {
  std::lock_guard lock(rangesMutex);
  MappedRange* range = firstRange;
  while (range != nullptr && range->end != 0) range = range->next;
  if (range == nullptr) {
    range = new MappedRange;
    range->next = firstRange;
    firstRange = range;
  }
  std::string shown = escapedShort(path).substr(0, range->path.size() - 1);
  std::copy_n(shown.c_str(), shown.size() + 1, range->path.begin());
  range->begin = reinterpret_cast<uintptr_t>(data);
  range->end = reinterpret_cast<uintptr_t>(data) + static_cast<uintptr_t>(bytes);
  return range;
}

const char* mappedFileAt(const void* address) {
  auto at = reinterpret_cast<uintptr_t>(address);
  for (const MappedRange* range = firstRange; range != nullptr; range = range->next)
    if (range->end != 0 && at >= range->begin && at < range->end) return range->path.data();
  return nullptr;
}

Result<MappedFile> MappedFile::open(const std::string& path) {
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: {}", escapedShort(path), why)); };
  auto file = openInput(path);
  if (!file) return file.error();
  struct stat info{};
  if (!file->regular) return bad("a regular file is needed, to be mapped");
  if (::fstat(file->descriptor.get(), &info) != 0) return bad(std::strerror(errno));
  if (info.st_size == 0) return bad("is empty");
  void* data = ::mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_PRIVATE, file->descriptor.get(), 0);
  if (data == MAP_FAILED)
    return machineLacks(
        fmt::format("{}: cannot map {}: {}", escapedShort(path), humanBytes(static_cast<double>(info.st_size)), std::strerror(errno)));
  return MappedFile(path, static_cast<const std::byte*>(data), info);
}

static int64_t changedNs(const struct stat& info) { return int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec; }

MappedFile::MappedFile(std::string path, const std::byte* data, const struct stat& info)
    : path_(std::move(path)),
      data_(data),
      bytes_(info.st_size),
      device_(info.st_dev),
      inode_(info.st_ino),
      changedNs_(changedNs(info)),
      range_(registered(data_, bytes_, path_)) {}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      device_(other.device_),
      inode_(other.inode_),
      changedNs_(other.changedNs_),
      range_(std::exchange(other.range_, nullptr)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
  std::swap(changedNs_, other.changedNs_);
  std::swap(range_, other.range_);
  return *this;
}

MappedFile::~MappedFile() {
  if (range_ != nullptr) range_->end = 0;
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), static_cast<size_t>(bytes_));
}

Result<void> MappedFile::checkUnchanged() const {
  struct stat info{};
  if (::stat(path_.c_str(), &info) != 0 || info.st_dev != device_ || info.st_ino != inode_) return {};
  if (info.st_size == bytes_ && changedNs(info) == changedNs_) return {};
  return badInput(fmt::format("{}: changed while it was read", escapedShort(path_)));
}

void MappedFile::drop(int64_t offset, int64_t bytes) const {
  int64_t page = ::sysconf(_SC_PAGESIZE);
  int64_t first = roundUp(std::clamp<int64_t>(offset, 0, bytes_), page);
  int64_t end = std::clamp<int64_t>(offset + bytes, 0, bytes_);
  if (end < bytes_) end -= end % page;  // the file's last page is its own as far as it goes
  if (first < end) ::madvise(const_cast<std::byte*>(data_) + first, static_cast<size_t>(end - first), MADV_DONTNEED);
}

}  // namespace quern
