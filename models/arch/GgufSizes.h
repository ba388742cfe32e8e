// models/arch/GgufSizes.h — what every decoder's GGUF metadata says under the same keys.
#pragma once

#include "models/ModelConfig.h"
#include "models/arch/Needed.h"
#include "models/files/Metadata.h"

namespace quern {

/// What a layer may have of its own under the keys that may be arrays.
enum class LayerSizes : uint8_t {
  Alike,     ///< nothing: all numbers of an array are the same
  Own,       ///< 1 or more
  OwnOrNone  ///< or 0
};

/// Name, layers, context, width, hidden, heads and vocabulary (its own key, else as many as there are tokens) from ARCH.*; what is
/// missing or out of range is kept in `in`.
///
/// feed_forward_length, attention.head_count and attention.head_count_kv may be arrays with a number of each layer. Where those differ, the
/// config has the largest, its perLayer all of them, and its headSize what the first layer's heads say.
ModelConfig ggufSizes(Needed<Metadata>& in, const Metadata& metadata, const std::string& arch, LayerSizes own = LayerSizes::Alike);

}  // namespace quern
