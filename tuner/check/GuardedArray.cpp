// tuner/check/GuardedArray.cpp — see GuardedArray.h.
#include "tuner/check/GuardedArray.h"

#include <new>
#include <sys/mman.h>

namespace quern {

GuardedArray::GuardedArray(size_t bytes, Flush flush, size_t gap) : GuardedArray(bytes, flush, gap, false) {}

GuardedArray::GuardedArray(size_t bytes, Flush flush, size_t gap, bool shared) : bytes_(bytes) {
  // Large arrays begin at a huge page, as the runtime's weights do: what is timed on them pays the same for translation.
  constexpr size_t kPage = 4096, kHugePage = 2 << 20;
  bool large = bytes >= kHugePage;
  size_t unit = large && flush == Flush::Begin ? kHugePage : kPage;  // flush with the end, only the end must fit
  size_t inner = (bytes + gap + unit - 1) / unit * unit;
  size_t total = inner + 2 * kPage + (large ? kHugePage : 0);
  void* pages = ::mmap(nullptr, total, PROT_NONE, (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  mapping_ = std::shared_ptr<void>(pages, [total](void* dead) { ::munmap(dead, total); });
  auto* first = static_cast<std::byte*>(pages) + kPage;
  if (large) first += kHugePage - reinterpret_cast<uintptr_t>(first) % kHugePage;
  if (inner > 0 && ::mprotect(first, inner, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
  if (large) ::madvise(first, inner, MADV_HUGEPAGE);
  inner_ = first, innerBytes_ = inner;
  data_ = flush == Flush::End ? first + (inner - bytes - gap) : first + gap;
}

void GuardedArray::makeReadOnly() const {
  if (innerBytes_ > 0 && ::mprotect(inner_, innerBytes_, PROT_READ) != 0) throw std::bad_alloc();
}

}  // namespace quern
