// models/ModelConfig.h — a transformer's sizes: from a model file's metadata, a config.json, or a file of configs/models.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/op/RopeOp.h"

#include <cstdint>
#include <string>

namespace quern {

/// Angles of rotary positions: pair i of position p turns by p base^(-2 i / D), its frequency scaled as `scaling` says.
struct RopeConfig {
  /// Linear: every frequency / factor. Llama3: wave lengths above original / lowFactor are stretched by factor, those below
  /// original / highFactor stay, between them both are mixed.
  enum class Scaling : uint8_t { None, Linear, Llama3 };
  RopePairs pairs = RopePairs::Half;
  double base = 10000;
  Scaling scaling = Scaling::None;
  double factor = 1, lowFactor = 1, highFactor = 4, originalContext = 8192;
};

/// A decoder: how its architecture reads these is said in models/arch/.
struct ModelConfig {
  std::string name;
  std::string architecture = "gpt2";  ///< a name in models/arch/Architecture.h
  int64_t vocab = 0, context = 0, width = 0, layers = 0, heads = 0, hidden = 0;
  int64_t kvHeads = 0;           ///< 0: as many as heads
  int64_t headSize = 0;          ///< 0: width / heads
  std::string gelu = "sigmoid";  ///< erf, tanh, sigmoid
  float eps = 1e-5f;
  bool tied = false;    ///< the head is the token embedding
  bool rotary = false;  ///< positions by rope, not by a table
  RopeConfig rope;
  int32_t seed = 42;  ///< of random weights

  int64_t headDim() const { return headSize != 0 ? headSize : width / heads; }
  int64_t keyHeads() const { return kvHeads != 0 ? kvHeads : heads; }
  /// Errors   BadInput naming the field, its value and what would be right.
  Result<void> validate(const std::string& subject) const;
};

}  // namespace quern
