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

extern "C" void* __libc_malloc(size_t bytes);
extern "C" void* malloc(size_t bytes) {
  if (quern::countingMallocs.load(std::memory_order_relaxed)) quern::mallocs.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(bytes);
}
