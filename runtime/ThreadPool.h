// runtime/ThreadPool.h — workers that share tasks. No mutex and no allocation while tasks run.
#pragma once

#include "compiler/base/Thread.h"
#include "runtime/CoreWatch.h"
#include "runtime/Signal.h"

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <vector>

namespace quern {

/// `threads` in all, the caller's among them, or as many as the system gives. Workers spin for a bounded time after a job, then sleep on
/// a futex. A worker whose core is taken by another process goes without pieces until it is there again (Patience).
/// Threads  run() is called from one thread at a time. Workers take over the caller's MXCSR for every job.
class ThreadPool {
public:
  explicit ThreadPool(int threads, Patience patience = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }
  /// How many of them take pieces now.
  int present() const { return threads() - absent_.load(std::memory_order_acquire); }

  /// Runs task(context, thread, begin, end) over [0, count) in pieces; returns when all are done. Every thread begins with its own
  /// part of the range, the same one for the same count, and takes from the others' once that is done: what a thread packed or
  /// read the last time is in its caches. Pieces are independent: one may wait for another only where the pool's patience is endless.
  /// What a task throws is thrown here once all are done.
  using Task = void (*)(void* context, int thread, int64_t begin, int64_t end);
  void run(int64_t count, Task task, void* context);

private:
  /// One thread's part of the job's pieces, in one word, so that taking one is also knowing which job it is of:
  /// job (32 bits), end (16), next (16). A cache line each.
  struct alignas(64) Part {
    std::atomic<uint64_t> word{0};
    std::atomic<bool> absent{false}, sent{false};  ///< takes no pieces; was told to
  };

  void work(int thread);
  void awaitCore(int thread, CoreWatch& watch);
  bool take(uint32_t job, int part, int64_t& piece);
  int64_t takePieces(uint32_t job, int thread);
  void runPiece(int thread, int64_t piece) noexcept;
  void open(uint32_t job, int64_t count, Task task, void* context);
  void sendAway();

  Patience patience_;
  LossMeter losses_;
  int threads_ = 1;
  std::unique_ptr<Part[]> parts_;
  // The job: written before its parts are, read by those who hold a piece.
  Task task_ = nullptr;
  void* context_ = nullptr;
  int64_t count_ = 0, pieces_ = 0;
  unsigned mxcsr_ = 0;
  std::exception_ptr thrown_;
  std::atomic<bool> threw_{false};
  std::atomic<int64_t> idleNs_{0};  ///< when a worker last found no more pieces
  std::atomic<int> idle_{1};        ///< which one
  alignas(64) Signal epoch_;        ///< the job's number
  alignas(64) Signal left_;         ///< pieces that are not done
  alignas(64) Signal stopping_;
  std::atomic<int> absent_{0}, callerCpu_{-1};
  std::vector<Thread> workers_;  // the last: they use all the others
};

/// Whether a call of so many flops gains from being shared out: plans and `quern bench` ask the same.
bool worthSharing(double flops);

}  // namespace quern
