// models/RopeAngles.cpp — see RopeAngles.h.
#include "models/RopeAngles.h"

#include <cmath>
#include <numbers>
#include <vector>

namespace quern {

/// Radians per position of pair i. Source: Su et al. for the base; the Llama 3.1 model card for its scaling.
static double frequencyOf(const RopeConfig& rope, int64_t i, int64_t width, std::span<const float> factors) {
  double frequency = std::pow(rope.base, -2.0 * static_cast<double>(i) / static_cast<double>(width));
  if (!factors.empty()) return frequency / static_cast<double>(factors[static_cast<size_t>(i)]);
  if (rope.scaling == RopeConfig::Scaling::Linear) return frequency / rope.factor;
  if (rope.scaling == RopeConfig::Scaling::None) return frequency;
  double wave = 2 * std::numbers::pi / frequency;
  if (wave < rope.originalContext / rope.highFactor) return frequency;
  if (wave > rope.originalContext / rope.lowFactor) return frequency / rope.factor;
  double whole = (rope.originalContext / wave - rope.lowFactor) / (rope.highFactor - rope.lowFactor);
  return (1 - whole) * frequency / rope.factor + whole * frequency;
}

void fillRopeAngles(const ModelConfig& config, int64_t positions, std::span<const float> factors, float* angles) {
  int64_t width = config.headDim(), pairs = width / 2;
  std::vector<double> frequencies;
  for (int64_t i = 0; i < pairs; ++i) frequencies.push_back(frequencyOf(config.rope, i, width, factors));
  for (int64_t position = 0; position < positions; ++position, angles += width)
    for (int64_t i = 0; i < pairs; ++i) {
      double angle = static_cast<double>(position) * frequencies[static_cast<size_t>(i)];
      angles[i] = static_cast<float>(std::cos(angle));
      angles[pairs + i] = static_cast<float>(std::sin(angle));
    }
}

}  // namespace quern
