// models/RopeAngles.h — cosines and sines of every position's angles, made once, in double.
#pragma once

#include "models/ModelConfig.h"

#include <span>

namespace quern {

/// [positions, headDim]: D/2 cosines, then D/2 sines, as the op rope takes them. `factors`: each pair's frequency is divided by its
/// own; empty: by what the config's scaling says.
void fillRopeAngles(const ModelConfig& config, int64_t positions, std::span<const float> factors, float* angles);

}  // namespace quern
