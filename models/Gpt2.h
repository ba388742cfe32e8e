// models/Gpt2.h — the GPT-2-style decoder as a plan over our kernels.
#pragma once

#include "compiler/op/Workload.h"
#include "models/Gpt2Weights.h"
#include "runtime/Plan.h"

#include <span>

namespace quern {

/// The kernels a model runs, with how often per forward of `rows` token rows at `past` cached positions.
Workload gpt2Workload(const ModelConfig& config, int64_t rows, int64_t past = 0);

/// A model ready to run. The weights are packed once, as the kernels want them. One plan serves every forward: a whole
/// prompt (past 0) or the next tokens behind a filled KV cache, bit for bit alike.
/// Threads  one forward at a time.
class Gpt2 {
public:
  /// Errors   what the provider says of a kernel; Machine for memory.
  static Result<std::unique_ptr<Gpt2>> make(const ModelConfig& config, const Gpt2Weights& weights, const KernelProvider& kernels, int threads);

  /// Logits [ids.size(), vocab] of `ids` at positions past, past + 1, ...; their keys and values stay in the cache.
  /// Makes no allocation. Errors: BadInput: an id outside the vocabulary, positions outside the context.
  Result<void> forward(std::span<const int32_t> ids, int64_t past, float* logits);

  const ModelConfig& config() const { return config_; }
  const Plan& plan() const { return *plan_; }
  int64_t weightBytes() const { return weights_.bytes(); }

private:
  ModelConfig config_;
  HugeMemory weights_;  ///< packed, norms and tables included
  std::unique_ptr<Plan> plan_;
};

}  // namespace quern
