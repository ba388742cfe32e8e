// tuner/measure/TileSpeed.cpp — see TileSpeed.h.
#include "tuner/measure/TileSpeed.h"

#include "tuner/measure/Probes.h"
#include "tuner/measure/Timing.h"

#include <algorithm>

namespace quern {

/// Between the ratio of the speeds (2.0 to 2.9) and what one speed drifts (1.2).
static constexpr double kApart = 1.4;

TileSpeed::TileSpeed(std::function<double(int64_t)> products, std::function<double()> clock)
    : products_(std::move(products)), clock_(clock ? std::move(clock) : nowSeconds) {}

TileSpeed TileSpeed::of(const Target& target) {
  Probe probe = probeOf(target);
  return probe.tiles == nullptr ? TileSpeed() : TileSpeed(probe.tiles);
}

double TileSpeed::probe() {
  constexpr int64_t kRounds = 400;  // six products each: 16 to 40 us
  double begin = clock_();
  double operations = products_(kRounds);
  double rate = operations / std::max(1.0, (clock_() - begin) * 1e9);
  most_ = std::max(most_, rate);
  return rate;
}

bool TileSpeed::alike(const std::vector<double>& rates) {
  auto [least, most] = std::minmax_element(rates.begin(), rates.end());
  return rates.empty() || *most <= kApart * *least;
}

TileSpeed::Mode TileSpeed::modeOf(double rate) const { return kApart * rate < most_ ? Mode::Slow : Mode::Fast; }

std::string_view nameOf(TileSpeed::Mode mode) { return mode == TileSpeed::Mode::Fast ? "fast" : "slow"; }

}  // namespace quern
