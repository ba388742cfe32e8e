// models/RopeAngles.cpp — see RopeAngles.h.
#include "models/RopeAngles.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace quern {

/// The pair, between two as a rule, that turns so many times within the original context. Source: Peng et al., YaRN, section 3.2.
static double pairThatTurns(const RopeConfig& rope, double times, int64_t width) {
  return static_cast<double>(width) * std::log(rope.originalContext / (times * 2 * std::numbers::pi)) / (2 * std::log(rope.base));
}

/// How much of its own frequency pair i keeps: 1 below the pairs that turn betaFast times, 0 above those that turn betaSlow times.
static double yarnKeeps(const RopeConfig& rope, int64_t i, int64_t width) {
  double low = pairThatTurns(rope, rope.betaFast, width), high = pairThatTurns(rope, rope.betaSlow, width);
  if (rope.wholePairs) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0), high = std::min(high, static_cast<double>(width - 1));
  if (high <= low) high = low + 0.001;
  return 1 - std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
}

/// Radians per position of pair i. Source: Su et al. for the base; the Llama 3.1 model card for its scaling.
static double frequencyOf(const RopeConfig& rope, int64_t i, int64_t width, std::span<const float> factors) {
  double frequency = std::pow(rope.base, -2.0 * static_cast<double>(i) / static_cast<double>(width));
  if (!factors.empty()) frequency /= static_cast<double>(factors[static_cast<size_t>(i)]);
  if (rope.scaling == RopeConfig::Scaling::Linear) return frequency / rope.factor;
  if (rope.scaling == RopeConfig::Scaling::Yarn) {
    double kept = yarnKeeps(rope, i, width);
    return kept * frequency + (1 - kept) * frequency / rope.factor;
  }
  if (rope.scaling != RopeConfig::Scaling::Llama3 || !factors.empty()) return frequency;  // Llama 3's factors are its scaling
  double wave = 2 * std::numbers::pi / frequency;
  if (wave < rope.originalContext / rope.highFactor) return frequency;
  if (wave > rope.originalContext / rope.lowFactor) return frequency / rope.factor;
  double whole = (rope.originalContext / wave - rope.lowFactor) / (rope.highFactor - rope.lowFactor);
  return (1 - whole) * frequency / rope.factor + whole * frequency;
}

RopeAngles::RopeAngles(const RopeConfig& rope, int64_t width, std::span<const float> factors, float* table)
    : magnitude_(rope.magnitude), table_(table) {
  for (int64_t i = 0; i < width / 2; ++i) frequencies_.push_back(frequencyOf(rope, i, width, factors));
}

void RopeAngles::reach(int64_t positions) const {
  if (made_->rows.load(std::memory_order_acquire) >= positions) return;
  std::lock_guard lock(made_->guard);
  size_t pairs = frequencies_.size();
  int64_t at = made_->rows.load(std::memory_order_relaxed);
  for (; at < positions; ++at) {
    float* row = table_ + static_cast<size_t>(at) * 2 * pairs;
    for (size_t i = 0; i < pairs; ++i) {
      double angle = static_cast<double>(at) * frequencies_[i];
      row[i] = static_cast<float>(magnitude_ * std::cos(angle));
      row[pairs + i] = static_cast<float>(magnitude_ * std::sin(angle));
    }
  }
  made_->rows.store(at, std::memory_order_release);
}

}  // namespace quern
