// tools/maker/Vocabulary.h — the tokenizer metadata of a made model: another file's, or a synthetic one.
#pragma once

#include "models/files/GgufWriter.h"
#include "models/files/Metadata.h"

namespace quern {

/// Tokens in a file's vocabulary. Errors: BadInput where it has none.
Result<int64_t> vocabularySize(const Metadata& from);

/// Copies every tokenizer.* key to `out`: integers as u32 or i32, numbers as f32.
///
/// Errors   BadInput: a value that the writer cannot write.
Result<void> copyVocabulary(const Metadata& from, GgufWriter& out);

/// `count` tokens in the manner of SentencePiece: <unk>, <s>, </s>, the 256 bytes, then "▁", a ... z, ▁a ... ▁z, aa ...: each
/// can be merged out of shorter ones. Scores descend. count >= 259.
void syntheticVocabulary(int64_t count, GgufWriter& out);

}  // namespace quern
