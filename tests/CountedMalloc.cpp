// tests/CountedMalloc.cpp — see CountedMalloc.h.
#include "tests/CountedMalloc.h"

#include <cstdlib>

namespace quern {

static void countMalloc() {
  if (countingMallocs.load(std::memory_order_relaxed)) mallocs.fetch_add(1, std::memory_order_relaxed);
}

bool countsMallocs() {
  void* (*volatile allocate)(size_t) = std::malloc;
  return mallocsOf([&] { std::free(allocate(16)); }) == 1;
}

}  // namespace quern

extern "C" void* __libc_malloc(size_t bytes);
extern "C" void* __libc_calloc(size_t count, size_t bytes);
extern "C" void* __libc_realloc(void* memory, size_t bytes);
extern "C" void* __libc_memalign(size_t alignment, size_t bytes);
extern "C" void* malloc(size_t bytes) { return quern::countMalloc(), __libc_malloc(bytes); }
extern "C" void* calloc(size_t count, size_t bytes) { return quern::countMalloc(), __libc_calloc(count, bytes); }
extern "C" void* realloc(void* memory, size_t bytes) { return quern::countMalloc(), __libc_realloc(memory, bytes); }
extern "C" void* aligned_alloc(size_t alignment, size_t bytes) { return quern::countMalloc(), __libc_memalign(alignment, bytes); }
