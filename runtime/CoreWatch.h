// runtime/CoreWatch.h — whether the threads of a pool have cores of their own, and how long a worker stays away when they have not.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace quern {

int64_t nowNs();

/// Whether the calling thread has a core, not the one that `callerCpu` names, for seven eighths of the next `ns` at least: it spins and
/// looks at the clock. Returns as soon as it has not.
bool keepsCore(int64_t ns, const std::atomic<int>& callerCpu);

/// When waiting for threads that do not run costs too much, and what is done about it.
struct Patience {
  /// Looked at after so much time of jobs: a time slice of another process is some milliseconds.
  int64_t windowNs = 3'000'000;
  /// One part in so many of that may be lost.
  int64_t lostPart = 4;
  /// A worker that was sent away proves that it has a core by keeping it so long. Longer each time it was sent away again soon after:
  /// beside another process it keeps its core for a slice as well.
  int64_t shortestProbeNs = 3'000'000, longestProbeNs = 18'000'000;
  /// Before each probe it sleeps, longer each time: a probe takes time from whoever has the core now.
  int64_t shortestRestNs = 5'000'000, longestRestNs = 40'000'000;
  /// So long after its return, being sent away counts as the first time.
  int64_t calmNs = 100'000'000;
  std::function<bool(int64_t ns, const std::atomic<int>& callerCpu)> keeps = keepsCore;  ///< the probe
};

/// The caller's side: time of jobs, and how much of it was lost.
class LossMeter {
public:
  explicit LossMeter(const Patience& patience) : patience_(patience) {}

  /// One more job; lostNs <= 0: nothing. Returns whether too much was lost of late.
  bool add(int64_t jobNs, int64_t lostNs);

private:
  const Patience& patience_;
  int64_t jobsNs_ = 0, lostNs_ = 0;
};

/// A worker's side: its rests and probes.
class CoreWatch {
public:
  explicit CoreWatch(const Patience& patience) : patience_(patience), probeNs_(patience.shortestProbeNs) {}

  void sentAway();
  /// How long to sleep before the next probe.
  int64_t nextRest();
  /// Whether the worker may take pieces again.
  bool probe(const std::atomic<int>& callerCpu);

private:
  const Patience& patience_;
  int64_t probeNs_, restNs_ = 0, returnedNs_ = 0;
};

}  // namespace quern
