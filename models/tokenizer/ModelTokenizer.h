// models/tokenizer/ModelTokenizer.h — the tokenizer of a model's files.
#pragma once

#include "models/files/WeightFiles.h"
#include "models/tokenizer/Tokenizer.h"

namespace quern {

/// From the metadata of a GGUF file, or the tokenizer.json of a folder.
/// Errors   BadInput: what GgufTokenizer, HfTokenizer and Tokenizer::make say; a folder without tokenizer.json.
Result<Tokenizer> readModelTokenizer(const WeightFiles& files);

}  // namespace quern
