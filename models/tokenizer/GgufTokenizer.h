// models/tokenizer/GgufTokenizer.h — the tokenizer that a GGUF file carries in its metadata.
#pragma once

#include "compiler/base/Result.h"
#include "models/files/Metadata.h"
#include "models/tokenizer/TokenizerData.h"

namespace quern {

/// Reads the keys tokenizer.ggml.*: model (llama: SentencePiece with scores; gpt2: byte-level BPE; gemma4: BPE of characters; bert:
/// WordPiece; t5: Unigram), tokens, scores, token_type, merges, pre, precompiled_charsmap, normalizer.*, the ids and flags.
///
/// Absent keys mean what they mean to llama.cpp: for llama, bos 1, eos 2, unknown 0, a blank in front, begin-of-text added;
/// for gpt2, the four cuts of SplitRule::GgufDefault, and begin-of-text added for the Llama-3 family only; for bert, ids 101 and 102 around
/// a text and 100 unknown; for t5, eos 1 behind it and 2 unknown. One difference: a gpt2 file without bos or eos has none (llama.cpp takes
/// id 11, which is Falcon's).
///
/// Errors   BadInput naming file, key, value and what would be right.
/// Cost     the texts are copied: `metadata` may go afterwards.
Result<TokenizerData> readGgufTokenizer(const Metadata& metadata);

}  // namespace quern
