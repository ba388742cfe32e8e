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

/// Logits of every id, [ids][vocab]. What a model is follows from the tensors that are there (LayerNorm where a norm has a bias, else
/// RMSNorm; norms of heads, of what a layer adds; fused q, k and v, gate and up), its family (the activation; gpt2: learned positions) and
/// its config (rotary pairs, scales, caps, windows).
///
/// Numeric  everything in double from the f32 weights.
std::vector<std::vector<double>> referenceLogits(const TestModel& model, std::span<const int32_t> ids);

/// The worst |logits - reference| over the largest |reference|; fails where the reference says nothing (all near zero).
double relativeError(std::span<const float> logits, const std::vector<std::vector<double>>& reference);

}  // namespace quern
