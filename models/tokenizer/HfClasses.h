// models/tokenizer/HfClasses.h — folders without a tokenizer.json: what the class that tokenizer_config.json names makes of a vocabulary.
#pragma once

#include "models/files/Json.h"
#include "models/tokenizer/HfTokenizer.h"
#include "models/tokenizer/HfVocabulary.h"

#include <vector>

namespace quern {

/// The parts of the tokenizer.json that the folder could have had.
struct HfClassStages {
  JsonValue model, normalizer, preTokenizer, postProcessor;
  std::vector<JsonValue> added;  ///< special tokens that the class knows by their texts, where the vocabulary has them
};

/// vocab.json with merges.txt: GPT-2's classes, RoBERTa's, Qwen 2's, CLIP's; GPT-2's where none is named. vocab.txt: BERT's.
/// Errors   BadInput naming a class that is none of these.
Result<HfClassStages> hfClassStages(const HfTokenizerTexts& texts, const JsonValue& config, const HfVocabulary& vocabulary);

/// Errors   BadInput naming a class whose ids are not those of its tokenizer.model.
Result<void> checkSentencePieceClass(const HfTokenizerTexts& texts, const JsonValue& config);

}  // namespace quern
