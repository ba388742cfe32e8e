// runtime/CoreWatch.cpp — see CoreWatch.h.
#include "runtime/CoreWatch.h"

#include "runtime/Signal.h"

#include <algorithm>
#include <chrono>
#include <sched.h>

namespace quern {

int64_t nowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

namespace {

/// Keeps the calling thread off a CPU for as long as this lives. On a busy machine a thread wakes up where it slept, which may be on the
/// caller's core: it would be in its way there, and would not see that another is free.
class Avoid {
public:
  explicit Avoid(int cpu) {
    if (cpu < 0 || cpu >= CPU_SETSIZE || ::sched_getaffinity(0, sizeof before_, &before_) != 0) return;
    cpu_set_t others = before_;
    CPU_CLR(cpu, &others);
    moved_ = CPU_COUNT(&others) > 0 && CPU_COUNT(&others) < CPU_COUNT(&before_) && ::sched_setaffinity(0, sizeof others, &others) == 0;
  }
  ~Avoid() {
    if (moved_) ::sched_setaffinity(0, sizeof before_, &before_);
  }
  Avoid(const Avoid&) = delete;
  Avoid& operator=(const Avoid&) = delete;

private:
  cpu_set_t before_;
  bool moved_ = false;
};

}  // namespace

bool keepsCore(int64_t ns, const std::atomic<int>& callerCpu) {
  constexpr int64_t kGapNs = 20'000;  // between two looks at the clock: the core was elsewhere
  Avoid caller(callerCpu.load(std::memory_order_relaxed));
  int64_t begin = nowNs(), last = begin, away = 0;
  while (last - begin < ns) {
    pauseCpu();
    int64_t now = nowNs();
    if (now - last > kGapNs) away += now - last;
    if (away > ns / 8 || ::sched_getcpu() == callerCpu.load(std::memory_order_relaxed)) return false;
    last = now;
  }
  return true;
}

bool LossMeter::add(int64_t jobNs, int64_t lostNs) {
  jobsNs_ += jobNs;
  lostNs_ += std::max<int64_t>(0, lostNs);
  if (jobsNs_ < patience_.windowNs) return false;
  bool much = lostNs_ > jobsNs_ / patience_.lostPart;
  jobsNs_ = lostNs_ = 0;
  return much;
}

void CoreWatch::sentAway() {
  bool again = returnedNs_ != 0 && nowNs() - returnedNs_ < patience_.calmNs;
  probeNs_ = again ? std::min(3 * probeNs_, patience_.longestProbeNs) : patience_.shortestProbeNs;
  restNs_ = 0;
}

int64_t CoreWatch::nextRest() {
  restNs_ = std::clamp(2 * restNs_, patience_.shortestRestNs, patience_.longestRestNs);
  return restNs_;
}

bool CoreWatch::probe(const std::atomic<int>& callerCpu) {
  if (!patience_.keeps(probeNs_, callerCpu)) return false;
  returnedNs_ = nowNs();
  return true;
}

}  // namespace quern
