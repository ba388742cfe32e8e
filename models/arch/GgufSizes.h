// models/arch/GgufSizes.h — what every decoder's GGUF metadata says under the same keys.
#pragma once

#include "models/ModelConfig.h"
#include "models/arch/Needed.h"
#include "models/files/Metadata.h"

namespace quern {

/// Name, layers, context, width, hidden, heads and vocabulary (its own key, else as many as there are tokens) from ARCH.*; what is
/// missing or out of range is kept in `in`.
ModelConfig ggufSizes(Needed<Metadata>& in, const Metadata& metadata, const std::string& arch);

}  // namespace quern
