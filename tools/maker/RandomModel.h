// tools/maker/RandomModel.h — a decoder of the Llama family with random weights, tensor by tensor into a GGUF writer.
#pragma once

#include "models/files/GgufWriter.h"
#include "models/files/WeightMix.h"

#include <functional>

namespace quern {

struct ModelShape {
  std::string_view name;
  int64_t width, layers, heads, kvHeads, hidden, vocab, context;
};

std::span<const ModelShape> modelShapes();

struct RandomModel {
  ModelShape shape;
  WeightMix mix;
  bool tied = false;  ///< the head is the token embedding
  uint64_t seed = 1;
};

/// Every key of the architecture: general.* and llama.*.
void addArchitecture(const RandomModel& model, GgufWriter& out);

/// What one tensor is.
struct MadeTensor {
  std::string name;
  TensorType type;
  std::vector<int64_t> shape;
  bool replaced = false;  ///< the type is not the one asked for
};

/// In the order in which they are written. 1-D tensors are f32. A matrix whose rows are no whole blocks of its type is q8_0, or
/// f16 where that does not fit either.
std::vector<MadeTensor> tensorsOf(const RandomModel& model);

/// Numeric  matrices uniform within +-sqrt(6 / (in + out)) (Glorot and Bengio, 2010), then encoded as the type; norms 1. Element i of
///          a tensor depends on seed, the tensor's name and i only: the same model in another type has the same values, rounded.
/// Cost     about a mebibyte of memory whatever the size. `written` is told of weights as they are done; it outlives the source.
ByteSource randomTensor(const MadeTensor& tensor, uint64_t seed, std::function<void(int64_t)> written);

}  // namespace quern
