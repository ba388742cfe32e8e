// tests/CountedMalloc.h — counts the allocations of a piece of a test: the test program's malloc is CountedMalloc.cpp's.
#pragma once

#include <atomic>
#include <cstdint>

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

/// One allocation that no compiler takes away: what counts it works.
bool countsMallocs();

}  // namespace quern
