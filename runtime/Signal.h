// runtime/Signal.h — a number that threads wait for to change: spinning for a bounded time, then asleep on a futex.
#pragma once

#include <atomic>
#include <cstdint>

namespace quern {

/// Threads  any number may wait and move it. No system call but futex, no allocation.
struct Signal {
  std::atomic<uint32_t> word{0};
  std::atomic<int> sleepers{0};

  /// Returns once `word` is not `seen`.
  void await(uint32_t seen);
  /// As await, asleep from the beginning and for at most `ns`.
  void awaitAsleep(uint32_t seen, int64_t ns);
  /// Adds to the word and wakes whoever sleeps.
  void move(uint32_t by);

  /// The word as a count: waits for 0; takes from it, and wakes whoever sleeps where it is 0 then.
  void awaitZero();
  void countDown(uint32_t by);

private:
  void sleep(uint32_t seen, int64_t ns);
  void wake();
};

/// Lets a sibling thread of the core go first, for some tens of nanoseconds.
void pauseCpu();

}  // namespace quern
