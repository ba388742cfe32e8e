// runtime/Memory.cpp — see Memory.h.
#include "runtime/Memory.h"

#include "compiler/base/Check.h"
#include "compiler/base/Checked.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <numeric>
#include <sys/mman.h>
#include <unistd.h>

namespace quern {

Result<HugeMemory> HugeMemory::make(int64_t bytes) {
  HugeMemory memory;
  memory.bytes_ = std::max<int64_t>(bytes, 64);
  auto size = static_cast<size_t>(memory.bytes_);
  void* pages = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return machineLacks(fmt::format("cannot map {} bytes: {}", bytes, std::strerror(errno)));
  ::madvise(pages, size, MADV_HUGEPAGE);
  memory.pages_ = std::shared_ptr<void>(pages, [size](void* dead) { ::munmap(dead, size); });
  return memory;
}

Result<RingMemory> RingMemory::make(int64_t bytes) {
  QUERN_CHECK(bytes > 0 && bytes % kPage == 0);
  auto size = static_cast<size_t>(bytes);
  auto refused = [&] { return machineLacks(fmt::format("cannot map a ring of {} bytes: {}", bytes, std::strerror(errno))); };
  void* place = ::mmap(nullptr, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) return refused();
  RingMemory memory;
  memory.pages_ = std::shared_ptr<void>(place, [size](void* dead) { ::munmap(dead, 2 * size); });
  int file = ::memfd_create("quern-ring", MFD_CLOEXEC);
  bool good = file >= 0 && ::ftruncate(file, bytes) == 0;
  for (size_t copy = 0; copy < 2 && good; ++copy)
    good = ::mmap(memory.data() + copy * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) != MAP_FAILED;
  Error error = good ? Error{} : refused();
  if (file >= 0) ::close(file);
  if (!good) return error;
  return memory;
}

int ArenaLayout::add(int64_t bytes, int first, int last) {
  buffers_.push_back({roundUp(bytes, 64), 0, first, last});
  return static_cast<int>(buffers_.size()) - 1;
}

void ArenaLayout::place() {
  std::vector<size_t> order(buffers_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return buffers_[a].bytes > buffers_[b].bytes; });
  std::vector<Buffer*> placed;
  bytes_ = 0;
  for (size_t index : order) {
    Buffer& buffer = buffers_[index];
    std::vector<Buffer*> rivals;
    for (Buffer* other : placed)
      if (other->first <= buffer.last && buffer.first <= other->last) rivals.push_back(other);
    std::sort(rivals.begin(), rivals.end(), [](const Buffer* a, const Buffer* b) { return a->offset < b->offset; });
    buffer.offset = 0;
    for (const Buffer* other : rivals)
      if (buffer.offset + buffer.bytes > other->offset) buffer.offset = std::max(buffer.offset, other->offset + other->bytes);
    placed.push_back(&buffer);
    bytes_ = std::max(bytes_, buffer.offset + buffer.bytes);
  }
}

int64_t ArenaLayout::unsharedBytes() const {
  int64_t total = 0;
  for (const Buffer& buffer : buffers_) total += buffer.bytes;
  return total;
}

}  // namespace quern
