// models/RopeAngles.cpp — see RopeAngles.h.
#include "models/RopeAngles.h"

#include <cmath>
#include <numbers>

namespace quern {

/// Radians per position of pair i. Source: Su et al. for the base; the Llama 3.1 model card for its scaling.
static double frequencyOf(const RopeConfig& rope, int64_t i, int64_t width, std::span<const float> factors) {
  double frequency = std::pow(rope.base, -2.0 * static_cast<double>(i) / static_cast<double>(width));
  if (!factors.empty()) frequency /= static_cast<double>(factors[static_cast<size_t>(i)]);
  if (rope.scaling == RopeConfig::Scaling::Linear) return frequency / rope.factor;
  if (rope.scaling == RopeConfig::Scaling::None || !factors.empty()) return frequency;  // Llama 3's factors are its scaling
  double wave = 2 * std::numbers::pi / frequency;
  if (wave < rope.originalContext / rope.highFactor) return frequency;
  if (wave > rope.originalContext / rope.lowFactor) return frequency / rope.factor;
  double whole = (rope.originalContext / wave - rope.lowFactor) / (rope.highFactor - rope.lowFactor);
  return (1 - whole) * frequency / rope.factor + whole * frequency;
}

RopeAngles::RopeAngles(const ModelConfig& config, std::span<const float> factors, float* table) : table_(table) {
  int64_t width = config.headDim();
  for (int64_t i = 0; i < width / 2; ++i) frequencies_.push_back(frequencyOf(config.rope, i, width, factors));
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
      row[i] = static_cast<float>(std::cos(angle));
      row[pairs + i] = static_cast<float>(std::sin(angle));
    }
  }
  made_->rows.store(at, std::memory_order_release);
}

}  // namespace quern
