// tests/unit/ThreadPoolTest.cpp — a pool whose workers lose their core: who is waited for, who stays away, when they come back.
#include "runtime/ThreadPool.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <limits>
#include <new>
#include <pthread.h>
#include <sched.h>
#include <thread>

namespace quern {

namespace {

using namespace std::chrono_literals;

/// A job that notes who did what, and stops worker 1 in its first piece for as long as it is told.
struct Job {
  explicit Job(int64_t count, std::chrono::milliseconds stopped = 0ms) : by(static_cast<size_t>(count), -1), stop(stopped.count()) {}

  static void task(void* context, int thread, int64_t begin, int64_t end) {
    Job& job = *static_cast<Job*>(context);
    if (thread == 1)
      if (int64_t ms = job.stop.exchange(0); ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(ms));
    for (int64_t i = begin; i < end; ++i) job.by[static_cast<size_t>(i)] += 1 + thread;
    auto until = nowNs() + 50'000;  // some work, so that both threads come to it
    while (nowNs() < until) pauseCpu();
  }

  void run(ThreadPool& pool) { pool.run(static_cast<int64_t>(by.size()), task, this); }
  bool whole() const {
    return std::all_of(by.begin(), by.end(), [](int thread) { return thread >= 0; });
  }
  bool usesWorker() const {
    return std::any_of(by.begin(), by.end(), [](int thread) { return thread > 0; });
  }

  std::vector<int> by;
  std::atomic<int64_t> stop;
};

double msSince(int64_t begin) { return static_cast<double>(nowNs() - begin) / 1e6; }

/// Jobs in which worker 1 is stopped, until it is sent away. One is not always enough: where the machine stops the caller too, it cannot
/// know who kept whom waiting. Nor need the worker be the one that was stopped: where the machine took its core it is away as well.
void loseCore(ThreadPool& pool) {
  constexpr int kMostStops = 200, kMostJobs = 100'000;
  for (int jobs = 0, stops = 0; jobs < kMostJobs && stops < kMostStops; ++jobs) {
    Job job(64, 20ms);
    job.run(pool);
    REQUIRE(job.whole());
    if (pool.present() == 1) return;
    stops += job.stop == 0 ? 1 : 0;
  }
  FAIL("worker 1 was never sent away");
}

}  // namespace

TEST_CASE("every task is done once, whatever the counts") {
  ThreadPool pool(5);
  int64_t jobs = 0;
  for (int64_t count : {0, 1, 2, 3, 4, 5, 7, 19, 20, 21, 64, 1000, 100'000}) {
    std::vector<std::atomic<int>> done(static_cast<size_t>(count));
    for (int repeat = 1; repeat <= 50; ++repeat, ++jobs) {
      pool.run(
          count,
          [](void* context, int, int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) ++(*static_cast<std::vector<std::atomic<int>>*>(context))[static_cast<size_t>(i)];
          },
          &done);
      bool all = std::all_of(done.begin(), done.end(), [&](const std::atomic<int>& times) { return times == repeat; });
      INFO(count << " tasks, job " << repeat);
      REQUIRE(all);
    }
  }
  CHECK(jobs == 650);
}

TEST_CASE("a worker that was stopped with a piece in hand stays away until its core is there again") {
  std::atomic<bool> there{true};
  std::atomic<int> probes{0};
  Patience patience;
  patience.keeps = [&](int64_t, const std::atomic<int>&) { return ++probes, there.load(); };
  ThreadPool pool(2, patience);
  REQUIRE(pool.present() == 2);
  there = false;
  int64_t begin = nowNs();
  loseCore(pool);
  CHECK(pool.present() == 1);
  // However long the machine takes: the caller goes on alone while the worker asks for its core now and then.
  constexpr int kLeastProbes = 4, kLeastJobs = 10;
  constexpr double kMostMs = 60'000;
  for (int jobs = 0; (jobs < kLeastJobs || probes < kLeastProbes) && msSince(begin) < kMostMs; ++jobs) {
    Job job(64);
    job.run(pool);
    REQUIRE(job.whole());
    CHECK_FALSE(job.usesWorker());
  }
  CHECK(probes >= kLeastProbes);
  CHECK(probes <= 4 + msSince(begin) / 40);  // after 5, 15, 35, 75, 115 ms: each takes time from whoever has the core
  int refused = probes;
  there = true;
  begin = nowNs();
  while (pool.present() == 1 && msSince(begin) < kMostMs) std::this_thread::sleep_for(1ms);
  CHECK(probes <= refused + 2);  // the one that was under way, and the first that finds the core
  bool back = false;
  while (!back && msSince(begin) < kMostMs) {
    Job job(64);
    job.run(pool);
    back = job.usesWorker();
  }
  CHECK(back);
}

TEST_CASE("a worker that is away rests longer each time, and never long") {
  Patience patience;
  CoreWatch watch(patience);
  for (int times = 0; times < 2; ++times) {
    watch.sentAway();
    for (int64_t ms : {5, 10, 20, 40, 40, 40}) CHECK(watch.nextRest() == ms * 1'000'000);
  }
}

TEST_CASE("a worker late again soon after it came back must prove itself for longer") {
  std::vector<int64_t> asked;  // by worker 1 alone, read while it is idle
  Patience patience;
  patience.keeps = [&](int64_t ns, const std::atomic<int>&) { return asked.push_back(ns), true; };
  patience.calmNs = int64_t{60} * 1'000'000'000;
  ThreadPool pool(2, patience);
  for (int times = 1; times <= 6; ++times) {
    loseCore(pool);
    while (pool.present() == 1) std::this_thread::sleep_for(1ms);
  }
  REQUIRE(asked.size() >= 6);  // more where the machine itself takes the core
  asked.resize(6);
  CHECK(asked == std::vector<int64_t>{3'000'000, 9'000'000, 18'000'000, 18'000'000, 18'000'000, 18'000'000});
}

namespace {

std::atomic<int> held{0};

/// Holds worker 1 outside of every job, as the system does that gives its core away.
void holdWorker(pthread_t worker) {
  struct sigaction action{};
  action.sa_handler = [](int) {
    held = 1;
    while (held == 1) std::this_thread::sleep_for(1ms);
    held = 3;
  };
  ::sigaction(SIGUSR1, &action, nullptr);
  ::pthread_kill(worker, SIGUSR1);
  while (held != 1) std::this_thread::sleep_for(1ms);
}

}  // namespace

TEST_CASE("the caller waits for pieces, not for workers that did not come") {
  Patience endless;
  endless.windowNs = std::numeric_limits<int64_t>::max();
  ThreadPool pool(2, endless);
  struct Meet {
    std::atomic<bool> met{false};
    pthread_t worker{};
  } meet;
  while (!meet.met) {
    pool.run(
        64,
        [](void* context, int thread, int64_t, int64_t) {
          Meet& own = *static_cast<Meet*>(context);
          if (thread == 1 && !own.met.exchange(true)) own.worker = ::pthread_self();
        },
        &meet);
  }
  holdWorker(meet.worker);
  for (int jobs = 0; jobs < 20; ++jobs) {
    Job job(64);
    job.run(pool);  // would not return
    CHECK(job.whole());
    CHECK_FALSE(job.usesWorker());
  }
  held = 2;
  while (held != 3) std::this_thread::sleep_for(1ms);
}

TEST_CASE("a pool on one core: a probe fails where the caller runs, and the mask is as it was") {
  cpu_set_t before, one, after;
  REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
  int cpu = ::sched_getcpu();
  std::atomic<int> here{cpu};
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
  bool kept = keepsCore(1'000'000, here);
  REQUIRE(::sched_setaffinity(0, sizeof before, &before) == 0);
  CHECK_FALSE(kept);
  keepsCore(1'000'000, here);
  REQUIRE(::sched_getaffinity(0, sizeof after, &after) == 0);
  CHECK(CPU_EQUAL(&before, &after));
}

TEST_CASE("time that is lost now and then is borne, a quarter of it is not") {
  Patience patience;
  LossMeter meter(patience);
  for (int i = 0; i < 1000; ++i) CHECK_FALSE(meter.add(1'000'000, i % 8 == 0 ? 500'000 : -100'000));
  bool much = false;
  for (int i = 0; i < 10; ++i) much = meter.add(1'000'000, 300'000) || much;
  CHECK(much);
}

TEST_CASE("memory that a task cannot have is the caller's to know") {
  ThreadPool pool(3);
  for (int repeat = 0; repeat < 20; ++repeat) {
    std::atomic<int> done{0};
    CHECK_THROWS_AS(pool.run(
                        12,
                        [](void* context, int, int64_t begin, int64_t end) {
                          *static_cast<std::atomic<int>*>(context) += static_cast<int>(end - begin);
                          if (begin <= 7 && 7 < end) throw std::bad_alloc();
                        },
                        &done),
                    std::bad_alloc);
    CHECK(done == 12);
    Job job(12);
    job.run(pool);
    CHECK(job.whole());
  }
}

}  // namespace quern
