// runtime/ThreadPool.cpp — see ThreadPool.h.
#include "runtime/ThreadPool.h"

#include <algorithm>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace quern {

namespace {

constexpr int kSpins = 4000;  // some tens of microseconds: the gap between two ops of a model

unsigned readMxcsr() {
#if defined(__x86_64__)
  return _mm_getcsr();
#else
  return 0;
#endif
}

void writeMxcsr([[maybe_unused]] unsigned value) {
#if defined(__x86_64__)
  _mm_setcsr(value);
#endif
}

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

/// Sleeps while `word` is `seen`. std::atomic::wait would yield the CPU some times first: a system call each.
void futexWait(std::atomic<uint32_t>& word, uint32_t seen) {
  ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}
void futexWakeAll(std::atomic<uint32_t>& word) {
  ::syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
}

}  // namespace

void ThreadPool::Signal::await(uint32_t seen) {
  for (int spins = 0; word.load(std::memory_order_acquire) == seen; ++spins) {
    if (spins < kSpins) {
      pause();
      continue;
    }
    sleepers.fetch_add(1);
    futexWait(word, seen);
    sleepers.fetch_sub(1);
  }
}

void ThreadPool::Signal::move(uint32_t by) {
  word.fetch_add(by);
  // Whoever counted itself before this looks at the word after: one of the two sees the other.
  if (sleepers.load() > 0) futexWakeAll(word);
}

bool worthSharing(double flops) {
  constexpr double kLeast = 8e5;  // two threads meet in about 2 us: at 64 x 64 x 64 they gain nothing, at twice that 1.5x
  return flops >= kLeast;
}

int usableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

ThreadPool::ThreadPool(int threads) : parts_(std::make_unique<Part[]>(static_cast<size_t>(std::max(1, threads)))) {
  workers_.reserve(static_cast<size_t>(std::max(1, threads)) - 1);
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
  } catch (const std::system_error&) {  // the system gives no more: those that are here do it
  }
}

ThreadPool::~ThreadPool() {
  stopping_ = true;
  epoch_.move(1);
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::takeTasks(int thread) {
  for (int turn = 0; turn < threads(); ++turn) {
    Part& part = parts_[static_cast<size_t>((thread + turn) % threads())];
    for (int64_t begin = part.next.fetch_add(piece_, std::memory_order_relaxed); begin < part.end;
         begin = part.next.fetch_add(piece_, std::memory_order_relaxed))
      task_(context_, thread, begin, std::min(begin + piece_, part.end));
  }
}

void ThreadPool::run(int64_t count, Task task, void* context) {
  if (workers_.empty() || count <= 1) {
    if (count > 0) task(context, 0, 0, count);
    return;
  }
  task_ = task;
  context_ = context;
  piece_ = std::max<int64_t>(1, count / (4 * threads()));
  mxcsr_ = readMxcsr();
  for (int64_t i = 0; i < threads(); ++i) {
    parts_[static_cast<size_t>(i)].next.store(count / threads() * i + std::min(i, count % threads()), std::memory_order_relaxed);
    parts_[static_cast<size_t>(i)].end = count / threads() * (i + 1) + std::min(i + 1, count % threads());
  }
  busy_.word.store(static_cast<uint32_t>(workers_.size()), std::memory_order_relaxed);
  epoch_.move(1);
  takeTasks(0);
  for (uint32_t busy = busy_.word.load(std::memory_order_acquire); busy != 0; busy = busy_.word.load(std::memory_order_acquire))
    busy_.await(busy);
}

void ThreadPool::work(int thread) {
  uint32_t seen = 0;
  while (true) {
    epoch_.await(seen);
    seen = epoch_.word.load(std::memory_order_acquire);
    if (stopping_) return;
    unsigned own = readMxcsr();
    writeMxcsr(mxcsr_);
    takeTasks(thread);
    writeMxcsr(own);
    busy_.move(static_cast<uint32_t>(-1));
  }
}

}  // namespace quern
