// runtime/ThreadPool.h — workers that share tasks. No mutex and no allocation while tasks run.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace quern {

/// `threads` in all, the caller's among them, or as many as the system gives. Workers spin for a bounded time after a job, then sleep on
/// a futex.
/// Threads  run() is called from one thread at a time. Workers take over the caller's MXCSR for every job.
class ThreadPool {
public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Runs task(context, thread, begin, end) over [0, count) in pieces; returns when all are done. Every thread begins with its own
  /// part of the range, the same one for the same count, and takes from the others' once that is done: what a thread packed or
  /// read the last time is in its caches.
  using Task = void (*)(void* context, int thread, int64_t begin, int64_t end);
  void run(int64_t count, Task task, void* context);

private:
  void work(int thread);
  void takeTasks(int thread);

  /// One thread's part of the tasks. A cache line each.
  struct alignas(64) Part {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  /// A number that threads wait for to change: spinning for a bounded time, then asleep. No system call but futex.
  struct Signal {
    std::atomic<uint32_t> word{0};
    std::atomic<int> sleepers{0};
    void await(uint32_t seen);
    void move(uint32_t by);
  };

  std::unique_ptr<Part[]> parts_;
  std::vector<std::thread> workers_;
  // The job: written before the epoch moves, read after.
  Task task_ = nullptr;
  void* context_ = nullptr;
  int64_t piece_ = 1;
  unsigned mxcsr_ = 0;
  alignas(64) Signal epoch_;
  alignas(64) Signal busy_;
  std::atomic<bool> stopping_{false};
};

/// Whether a call of so many flops gains from being shared out: plans and `quern bench` ask the same.
bool worthSharing(double flops);

/// How many CPUs this process may use.
int usableCpus();

}  // namespace quern
