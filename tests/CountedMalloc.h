// tests/CountedMalloc.h — counts every allocation of a test program. Included by one file of a program.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace quern {

inline std::atomic<bool> countingMallocs{false};
inline std::atomic<int64_t> mallocs{0};

/// The allocations that `work` makes.
template <class Work>
int64_t mallocsOf(const Work& work) {
  mallocs = 0;
  countingMallocs = true;
  work();
  countingMallocs = false;
  return mallocs;
}

}  // namespace quern

namespace quern {

inline void countMalloc() {
  if (countingMallocs.load(std::memory_order_relaxed)) mallocs.fetch_add(1, std::memory_order_relaxed);
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
