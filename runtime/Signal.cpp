// runtime/Signal.cpp — see Signal.h.
#include "runtime/Signal.h"

#include <ctime>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace quern {

namespace {

constexpr int kSpins = 4000;  // some tens of microseconds: the gap between two ops of a model

}  // namespace

void pauseCpu() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

/// Sleeps while `word` is `seen`; ns < 0: for as long as it is. std::atomic::wait would yield the CPU some times first: a system call each.
void Signal::sleep(uint32_t seen, int64_t ns) {
  timespec limit{ns / 1'000'000'000, ns % 1'000'000'000};
  sleepers.fetch_add(1);
  ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_PRIVATE, seen, ns < 0 ? nullptr : &limit, nullptr, 0);
  sleepers.fetch_sub(1);
}

/// Whoever counted itself before the word moved is seen here; whoever did after that sees the word.
void Signal::wake() {
  if (sleepers.load() > 0) ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
}

void Signal::await(uint32_t seen) {
  for (int spins = 0; word.load(std::memory_order_acquire) == seen; ++spins) {
    if (spins < kSpins) pauseCpu();
    else sleep(seen, -1);
  }
}

void Signal::awaitAsleep(uint32_t seen, int64_t ns) { sleep(seen, ns); }

void Signal::move(uint32_t by) {
  word.fetch_add(by);
  wake();
}

void Signal::awaitZero() {
  int spins = 0;
  for (uint32_t left; (left = word.load(std::memory_order_acquire)) != 0; ++spins) {
    if (spins < kSpins) pauseCpu();
    else sleep(left, -1);
  }
}

void Signal::countDown(uint32_t by) {
  if (word.fetch_sub(by) == by) wake();
}

}  // namespace quern
