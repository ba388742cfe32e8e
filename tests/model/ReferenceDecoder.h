// tests/model/ReferenceDecoder.h — a decoder straight from its description, in double: slow, plain, and apart from everything it checks.
#pragma once

#include "tests/model/TestModel.h"

namespace quern {

/// Llama's scaling of rotary frequencies, as its authors publish it.
struct Llama3Scaling {
  double factor = 8, lowFactor = 1, highFactor = 4, originalContext = 8192;
};

/// What a rotary frequency is divided by. Source: the Llama 3.1 reference code (apply_scaling).
double llama3Divisor(double frequency, const Llama3Scaling& scaling);

/// Logits of every id, [ids][vocab], of a model of the families llama, qwen2 (RMSNorm, rotary pairs as config.rope.pairs says,
/// SwiGLU, biases where there are any) or gpt2 (LayerNorm, learned positions, config.gelu).
///
/// Numeric  everything in double from the f32 weights.
std::vector<std::vector<double>> referenceLogits(const TestModel& model, std::span<const int32_t> ids);

/// The worst |logits - reference| over the largest |reference|; fails where the reference says nothing (all near zero).
double relativeError(std::span<const float> logits, const std::vector<std::vector<double>>& reference);

}  // namespace quern
