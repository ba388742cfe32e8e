// models/ModelConfig.h — a transformer's sizes: from configs/models/NAME.toml, or filled in by whoever describes one.
#pragma once

#include "compiler/base/Result.h"

#include <cstdint>
#include <string>

namespace quern {

/// A GPT-2-style decoder: learned positions, LayerNorm, fused QKV, GELU MLP, untied head without bias.
struct ModelConfig {
  std::string name;
  std::string architecture = "gpt2";
  int64_t vocab = 0, context = 0, width = 0, layers = 0, heads = 0, hidden = 0;
  std::string gelu = "sigmoid";  ///< erf, tanh, sigmoid
  float eps = 1e-5f;
  int32_t seed = 42;             ///< of the random weights

  int64_t headDim() const { return width / heads; }
  /// Errors   BadInput naming the field, its value and what would be right.
  Result<void> validate(const std::string& subject) const;
};

/// `nameOrPath`: a name in configs/models or a TOML file. Errors: BadInput.
Result<ModelConfig> readModelConfig(const std::string& nameOrPath);

}  // namespace quern
