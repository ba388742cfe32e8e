// tuner/measure/Timing.h — timing of calls: calibrated blocks, two things interleaved, medians with intervals.
#pragma once

#include "compiler/base/Clock.h"
#include "compiler/base/Stop.h"
#include "tuner/measure/Spread.h"
#include "tuner/measure/TileSpeed.h"

#include <functional>
#include <optional>
#include <vector>

namespace quern {

using TimedCall = std::function<void()>;

/// Seconds that this thread has had of a core.
double threadSeconds();

/// How many calls make a block of at least `blockSeconds`: doubled until they do (at least one).
int64_t calibrate(const TimedCall& call, double blockSeconds, const Stop& stop = {});

/// What was timed at one of the speeds of matrix tiles.
struct AtSpeed {
  TileSpeed::Mode mode = TileSpeed::Mode::Fast;
  size_t blocks = 0;
  Spread a, b, ratio;  ///< as PairTiming's; of one thing: a alone
};

/// One thing timed: ns of one call. Of what was timed before `stop` was asked, if it was. `speed`: where matrix tiles may be at work;
/// blocks in which their speed changed are left out, `atSpeeds` gets the others by speed, and what is returned is that with most blocks.
Spread timeCall(const TimedCall& call, double totalSeconds, const Stop& stop = {}, TileSpeed* speed = nullptr,
                std::vector<AtSpeed>* atSpeeds = nullptr);

/// Two things timed in alternating blocks. `ratio` is b's time over a's, block by block.
struct PairTiming {
  Spread a, b, ratio;
  std::vector<AtSpeed> atSpeeds;  ///< where matrix tiles were watched: by their speed, most blocks first, which are those of a, b, ratio
};
/// Stops early when b is clearly slower (`hopeless`: its median ratio after a few blocks). `settleSeconds`: for two
/// that share neither data nor threads: before each block a pause of so long, in which the other's waiting threads fall
/// asleep, and one call outside the clock, which wakes its own and brings its data back into the caches.
/// Once `stop` is asked the figures are those of what was timed before: nothing to decide by. `speed`: as timeCall's; only pairs of
/// blocks at one speed count.
PairTiming timePair(const TimedCall& a, const TimedCall& b, double totalSeconds, double hopeless = 1e9,
                    std::optional<double> settleSeconds = {}, const Stop& stop = {}, TileSpeed* speed = nullptr);

/// Blocks of two things, alternating: ns of one call.
struct PairSamples {
  std::vector<double> a, b;
  double wallSeconds = 0, coreSeconds = 0;  ///< spent on it; of it, those that this thread had a core
  double probeNs = 0;                       ///< frequencyProbeNs (Noise.h) before it; 0: not asked
};
/// So many pairs of blocks of `callsA` and `callsB` calls (of calibrate). The order turns in every pair, so that neither always runs in
/// the other's wake. `speed`: as timeCall's; a pair in which it changed is taken again, so often that there are three tries a pair, and
/// counts only where there would be fewer otherwise.
PairSamples samplePairs(const TimedCall& a, int64_t callsA, const TimedCall& b, int64_t callsB, int pairs, TileSpeed* speed = nullptr);
/// The fastest block beside a call that takes `leastNs`, the least that is possible: above one, it is not. 0: none is known.
double shareOfCeiling(const PairSamples& samples, double leastNs);
/// b over a, pair by pair.
std::vector<double> ratiosOf(const PairSamples& samples);
/// Seconds of a block: long beside the clock (30 ns) and short beside a scheduler's slice.
inline constexpr double kBlockSeconds = 200e-6;

}  // namespace quern
