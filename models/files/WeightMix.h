// models/files/WeightMix.h — which type each matrix of a model has: one for all, or a mixture.
#pragma once

#include "models/files/TensorType.h"

#include <string>
#include <vector>

namespace quern {

struct WeightMix {
  std::string_view name;
  int ggufFileType;  ///< general.file_type
  TensorType most;
  TensorType some;  ///< of attn_v and ffn_down
  TensorType head;  ///< of output, or of token_embd where it is the head
};

/// nullopt for a name that weightMixNames() lacks; case-insensitive.
std::optional<WeightMix> weightMixOf(std::string_view name);
std::vector<std::string> weightMixNames();

/// The type, or what takes its place where rows of so many columns are no whole blocks of it: q8_0, else f16.
TensorType fittingType(TensorType type, int64_t columns);

}  // namespace quern
