// models/tokenizer/GgufTokenizer.h — the tokenizer that a GGUF file carries in its metadata.
#pragma once

#include "compiler/base/Result.h"
#include "models/files/Metadata.h"
#include "models/tokenizer/TokenizerData.h"

namespace quern {

/// Reads the keys tokenizer.ggml.*: model (llama: SentencePiece with scores; gpt2: byte-level BPE), tokens, scores,
/// token_type, merges, pre, the ids and flags.
///
/// Absent keys mean what they mean to llama.cpp: for llama, bos 1, eos 2, unknown 0, a blank in front, begin-of-text added;
/// for gpt2, the four cuts of SplitRule::GgufDefault, and begin-of-text added for the Llama-3 family only. One difference: a
/// gpt2 file without bos or eos has none (llama.cpp takes id 11, which is Falcon's).
///
/// Errors   BadInput naming file, key, value and what would be right.
/// Cost     the texts are copied: `metadata` may go afterwards.
Result<TokenizerData> readGgufTokenizer(const Metadata& metadata);

}  // namespace quern
