// runtime/ThreadPool.cpp — see ThreadPool.h.
//
// The caller waits for pieces, not for threads: who did not come to a job, because the system gave its core to another process, holds
// nothing, and whoever is there does the work. Who is stopped with a piece in hand can only be waited for. Where too much time goes that
// way a worker stays away, until a core is there for it.
#include "runtime/ThreadPool.h"

#include <algorithm>
#include <sched.h>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace quern {

namespace {

constexpr int64_t kPiecesPerThread = 4;
constexpr int64_t kMostPieces = 0xffff;  // of a part
constexpr int64_t kUnevenNs = 500'000;   // the caller's piece may be larger than all others: shorter than a time slice it is no loss

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

/// Where the i-th of `parts` nearly equal parts of `count` begins.
int64_t beginOf(int64_t i, int64_t count, int64_t parts) { return count / parts * i + std::min(i, count % parts); }

}  // namespace

bool worthSharing(double flops) {
  constexpr double kLeast = 8e5;  // two threads meet in about 2 us: at 64 x 64 x 64 they gain nothing, at twice that 1.5x
  return flops >= kLeast;
}

ThreadPool::ThreadPool(int threads, Patience patience)
    : patience_(std::move(patience)), losses_(patience_), parts_(std::make_unique<Part[]>(static_cast<size_t>(std::max(1, threads)))) {
  workers_.reserve(static_cast<size_t>(std::max(1, threads)) - 1);
  for (int i = 1; i < threads; ++i) {
    auto worker = Thread::start([this, i] { work(i); });
    if (!worker) break;  // the system gives no more: those that are here do it
    workers_.push_back(std::move(*worker));
  }
  threads_ = static_cast<int>(workers_.size()) + 1;  // workers read it once they see a job
}

ThreadPool::~ThreadPool() {
  stopping_.move(1);
  epoch_.move(1);
}

/// Takes the next piece of a part, if that still is a part of `job` and has one.
bool ThreadPool::take(uint32_t job, int part, int64_t& piece) {
  std::atomic<uint64_t>& word = parts_[static_cast<size_t>(part)].word;
  uint64_t seen = word.load(std::memory_order_acquire);
  do {
    uint64_t next = seen & kMostPieces, end = (seen >> 16) & kMostPieces;
    if (seen >> 32 != job || next >= end) return false;
    piece = static_cast<int64_t>(next);
  } while (!word.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel, std::memory_order_acquire));
  return true;
}

void ThreadPool::runPiece(int thread, int64_t piece) noexcept {
  try {
    task_(context_, thread, beginOf(piece, count_, pieces_), beginOf(piece + 1, count_, pieces_));
  } catch (...) {
    if (!threw_.exchange(true)) thrown_ = std::current_exception();
  }
}

/// Whatever pieces of `job` there are, the thread's own part first. Returns how many it did: they are not counted off yet.
int64_t ThreadPool::takePieces(uint32_t job, int thread) {
  int64_t done = 0, piece = 0;
  unsigned own = 0;
  for (int turn = 0; turn < threads(); ++turn)
    for (int part = (thread + turn) % threads(); take(job, part, piece);) {
      if (done++ == 0) {
        own = readMxcsr();
        writeMxcsr(mxcsr_);
      }
      runPiece(thread, piece);
    }
  if (done > 0) writeMxcsr(own);
  return done;
}

void ThreadPool::open(uint32_t job, int64_t count, Task task, void* context) {
  task_ = task;
  context_ = context;
  count_ = count;
  mxcsr_ = readMxcsr();
  idleNs_.store(0, std::memory_order_relaxed);
  int here = 0;
  for (int i = 0; i < threads(); ++i) here += parts_[static_cast<size_t>(i)].absent.load(std::memory_order_relaxed) ? 0 : 1;
  pieces_ = std::min({count, kPiecesPerThread * here, kMostPieces});
  left_.word.store(static_cast<uint32_t>(pieces_), std::memory_order_relaxed);
  // Absent threads have no part; one that comes or goes meanwhile takes from the others', or leaves its own to them.
  int64_t begin = 0;
  for (int i = 0, nth = 0; i < threads(); ++i) {
    Part& part = parts_[static_cast<size_t>(i)];
    bool last = i == threads() - 1;
    nth += part.absent.load(std::memory_order_relaxed) ? 0 : 1;
    int64_t end = last ? pieces_ : beginOf(std::min(nth, here), pieces_, here);
    part.word.store(uint64_t{job} << 32 | static_cast<uint64_t>(end) << 16 | static_cast<uint64_t>(begin), std::memory_order_release);
    begin = end;
  }
}

void ThreadPool::run(int64_t count, Task task, void* context) {
  if (absent_.load(std::memory_order_relaxed) > 0) callerCpu_.store(::sched_getcpu(), std::memory_order_relaxed);
  if (count <= 1 || present() == 1) {
    if (count > 0) task(context, 0, 0, count);
    return;
  }
  uint32_t job = epoch_.word.load(std::memory_order_relaxed) + 1;
  open(job, count, task, context);
  int64_t begin = nowNs();
  epoch_.move(1);
  int64_t done = takePieces(job, 0), own = nowNs();
  bool last = left_.word.load(std::memory_order_acquire) == static_cast<uint32_t>(done);  // the workers are through
  left_.countDown(static_cast<uint32_t>(done));
  left_.awaitZero();
  int64_t end = last ? own : nowNs(), lost = 0, idle = idleNs_.load(std::memory_order_relaxed);
  // Lost is what the caller waits beyond the length of a piece; and where it is the last, what it was stopped for itself.
  if (last && idle != 0) lost = done == 0 ? own - idle : own - idle - (idle - begin) - kUnevenNs;
  if (!last && done > 0) lost = end - own - (own - begin) / done;
  if (losses_.add(end - begin, lost)) sendAway();
  if (threw_.load(std::memory_order_relaxed)) {
    threw_ = false;
    std::rethrow_exception(std::exchange(thrown_, nullptr));
  }
}

/// Takes pieces from the worker that was through last. Where it shares a core with another process it would be waited for again; where the
/// caller does, and the worker has one for itself, the caller gets that: the system gives a thread that wakes up a core that idles.
void ThreadPool::sendAway() {
  Part& part = parts_[static_cast<size_t>(idle_.load(std::memory_order_relaxed))];
  if (part.absent.exchange(true, std::memory_order_relaxed)) return;
  absent_.fetch_add(1, std::memory_order_relaxed);
  part.sent.store(true, std::memory_order_release);
  epoch_.move(1);  // a job without pieces: it wakes, and goes
  constexpr int64_t kMoveNs = 100'000;
  stopping_.awaitAsleep(0, kMoveNs);
}

/// Stays away until the core is there again.
void ThreadPool::awaitCore(int thread, CoreWatch& watch) {
  watch.sentAway();
  do stopping_.awaitAsleep(0, watch.nextRest());
  while (stopping_.word.load() == 0 && !watch.probe(callerCpu_));
  parts_[static_cast<size_t>(thread)].absent.store(false, std::memory_order_relaxed);
  absent_.fetch_sub(1, std::memory_order_release);
}

void ThreadPool::work(int thread) {
  CoreWatch watch(patience_);
  Part& own = parts_[static_cast<size_t>(thread)];
  uint32_t seen = 0;
  while (true) {
    epoch_.await(seen);
    seen = epoch_.word.load(std::memory_order_acquire);
    if (stopping_.word.load() != 0) return;
    int64_t done = takePieces(seen, thread);
    if (done > 0) {
      idleNs_.store(nowNs(), std::memory_order_relaxed);
      idle_.store(thread, std::memory_order_relaxed);
      left_.countDown(static_cast<uint32_t>(done));
    }
    if (own.sent.exchange(false, std::memory_order_acquire)) awaitCore(thread, watch);
  }
}

}  // namespace quern
