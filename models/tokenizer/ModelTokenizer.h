// models/tokenizer/ModelTokenizer.h — the tokenizer of a model's files.
#pragma once

#include "models/files/WeightFiles.h"
#include "models/tokenizer/Tokenizer.h"

namespace quern {

/// From the metadata of a GGUF file, or a folder's files (tokenizerFileIn).
/// Errors   BadInput: what GgufTokenizer, HfTokenizer and Tokenizer::make say; a folder without any of them.
Result<Tokenizer> readModelTokenizer(const WeightFiles& files);

}  // namespace quern
