// tuner/measure/Timing.h — timing of calls: calibrated blocks, two things interleaved, medians with intervals.
#pragma once

#include "compiler/base/Stop.h"
#include "tuner/measure/Spread.h"

#include <functional>
#include <optional>
#include <vector>

namespace quern {

using TimedCall = std::function<void()>;

/// Seconds on a clock that only goes forward.
double nowSeconds();

/// Seconds that this thread has had of a core.
double threadSeconds();

/// How many calls make a block of at least `blockSeconds`: doubled until they do (at least one).
int64_t calibrate(const TimedCall& call, double blockSeconds, const Stop& stop = {});

/// One thing timed: ns of one call. Of what was timed before `stop` was asked, if it was.
Spread timeCall(const TimedCall& call, double totalSeconds, const Stop& stop = {});

/// Two things timed in alternating blocks. `ratio` is b's time over a's, block by block.
struct PairTiming {
  Spread a, b, ratio;
};
/// Stops early when b is clearly slower (`hopeless`: its median ratio after a few blocks). `settleSeconds`: for two
/// that share neither data nor threads: before each block a pause of so long, in which the other's waiting threads fall
/// asleep, and one call outside the clock, which wakes its own and brings its data back into the caches.
/// Once `stop` is asked the figures are those of what was timed before: nothing to decide by.
PairTiming timePair(const TimedCall& a, const TimedCall& b, double totalSeconds, double hopeless = 1e9,
                    std::optional<double> settleSeconds = {}, const Stop& stop = {});

/// Blocks of two things, alternating: ns of one call.
struct PairSamples {
  std::vector<double> a, b;
  double wallSeconds = 0, coreSeconds = 0;  ///< spent on it; of it, those that this thread had a core
  double probeNs = 0;                       ///< frequencyProbeNs (Noise.h) before it; 0: not asked
};
/// So many pairs of blocks of `callsA` and `callsB` calls (of calibrate). The order turns in every pair, so that neither always runs in
/// the other's wake.
PairSamples samplePairs(const TimedCall& a, int64_t callsA, const TimedCall& b, int64_t callsB, int pairs);
/// The fastest block beside a call that takes `leastNs`, the least that is possible: above one, it is not. 0: none is known.
double shareOfCeiling(const PairSamples& samples, double leastNs);
/// b over a, pair by pair.
std::vector<double> ratiosOf(const PairSamples& samples);
/// Seconds of a block: long beside the clock (30 ns) and short beside a scheduler's slice.
inline constexpr double kBlockSeconds = 200e-6;

}  // namespace quern
