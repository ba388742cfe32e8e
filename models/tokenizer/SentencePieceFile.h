// models/tokenizer/SentencePieceFile.h — tokenizer.model: a model of SentencePiece, a message of protocol buffers.
#pragma once

#include "compiler/base/Result.h"
#include "models/tokenizer/HfTokenizer.h"
#include "models/tokenizer/TokenizerData.h"

namespace quern {

/// Reads pieces with scores and types, model_type UNIGRAM and BPE, byte_fallback, treat_whitespace_as_suffix, the ids of control tokens,
/// and the normalizer (its precompiled map, add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces); then the small files beside
/// it (HfTokenizer.h). Text is encoded as SentencePiece encodes it; tokens of added_tokens.json come behind its own.
/// Begin-of-text is added where the config or Llama's class says so.
///
/// Errors   BadInput naming the file and the field: another model type, a denormalizer, pieces of an unknown type, unused pieces in
///          a BPE model, a class whose ids are others than the file's.
Result<TokenizerData> readSentencePiece(const HfTokenizerTexts& texts);

}  // namespace quern
