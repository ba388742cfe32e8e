// models/tokenizer/HfModel.h — what a tokenizer.json's "model" says beside its vocabulary, for each of its types.
#pragma once

#include "models/files/Json.h"
#include "models/tokenizer/HfPipeline.h"
#include "models/tokenizer/HfVocabulary.h"
#include "models/tokenizer/TokenizerData.h"

namespace quern {

/// The kind of a type's name; by its keys where it has none: merges, or keys that BPE alone has, make BPE.
/// Errors   BadInput naming the type and those that are read.
Result<TokenizerKind> hfModelKind(const std::string& file, const JsonValue& model, bool hasMerges);

/// Fills `data` from the model's keys and the stages around it; the vocabulary is in it already.
/// Errors   BadInput naming file, key, value and what would be right.
Result<void> readHfModel(const std::string& file, const JsonValue& model, HfPipeline pipeline, const HfVocabulary& vocabulary,
                         TokenizerData& data);

}  // namespace quern
