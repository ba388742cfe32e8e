// tools/recorded/Gpt2Weights.h — the parameters of a GPT-2-style decoder, as plain row-major arrays.
#pragma once

#include "models/ModelConfig.h"

#include <vector>

namespace quern {

/// A linear layer: weight [out, in], bias [out] (empty: none).
struct Linear {
  int64_t out = 0, in = 0;
  std::vector<float> weight, bias;
};

struct LayerNormWeights {
  std::vector<float> gain, bias;
};

struct Gpt2Block {
  LayerNormWeights norm1, norm2;
  Linear qkv, proj, fc1, fc2;
};

struct Gpt2Weights {
  std::vector<float> tokens;     ///< [vocab, width]
  std::vector<float> positions;  ///< [context, width]
  std::vector<Gpt2Block> blocks;
  LayerNormWeights norm;
  Linear head;

  int64_t parameters() const;
};

/// Drawn from one seeded .NET generator in the order token embedding, positions, per block qkv, proj, fc1, fc2, then head;
/// embeddings uniform in +-0.02, linears Xavier-uniform in +-sqrt(6 / (in + out)); biases 0, gains 1.
Gpt2Weights randomGpt2Weights(const ModelConfig& config);

}  // namespace quern
