// models/EncoderFolder.h — what sentence-transformers says of an encoder beside its config.json.
#pragma once

#include "models/ModelConfig.h"

namespace quern {

/// Which rows a text's vector is made of, from 1_Pooling/config.json of a folder, and that modules.json names nothing behind it that is not
/// built. Without these files: the mean.
/// Errors   BadInput naming file and field: another pooling, or a module that would change the vectors.
Result<void> readPooling(const std::string& folder, ModelConfig& config);

}  // namespace quern
