// tuner/measure/Timing.h — timing of calls: calibrated blocks, two things interleaved, medians with intervals.
#pragma once

#include "compiler/base/Stop.h"

#include <functional>
#include <optional>
#include <vector>

namespace quern {

using TimedCall = std::function<void()>;

/// Seconds on a clock that only goes forward.
double nowSeconds();

/// Seconds that this thread has had of a core.
double threadSeconds();

/// The middle of a sample and the order statistics around it that hold the true median with about 95 %.
struct Spread {
  double median = 0, low = 0, high = 0;
};
Spread spreadOf(std::vector<double> samples);

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

}  // namespace quern
