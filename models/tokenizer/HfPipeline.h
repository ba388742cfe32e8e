// models/tokenizer/HfPipeline.h — the stages of a tokenizer.json around its model: normalizer, pre_tokenizer, post_processor.
#pragma once

#include "models/files/Json.h"
#include "models/tokenizer/TokenizerData.h"

namespace quern {

/// What the stages amount to.
struct HfPipeline {
  bool byteLevel = false;  ///< a ByteLevel stage: tokens are spelled in GPT-2's alphabet
  bool blanks = false;     ///< blanks become U+2581
  bool escapes = false;    ///< they do so behind `normal`, rather than in a step of it or of the cuts
  bool metaspace = false;  ///< a Metaspace stage
  bool prefixed = false;   ///< some stage puts a U+2581 in front of a text
  std::vector<NormalStep> normal;
  std::vector<CutStep> cuts;
  SplitRule rule = SplitRule::None;
  SpacePrefix prefix = SpacePrefix::Never;
  bool blankBeforePieces = false;       ///< behind cuts, ByteLevel puts its blank before every piece
  std::vector<int32_t> before, behind;  ///< what post_processor puts around a text
};

/// Reads the three stages; null pointers and JSON nulls are absent ones.
///
/// Normalizers     NFC NFD NFKC NFKD Lowercase StripAccents Strip Prepend Replace Nmt Precompiled ByteLevel BertNormalizer, in sequence.
/// Pre-tokenizers  ByteLevel, Metaspace, Split (by a text or any regular expression that pcrePattern takes), Digits, Punctuation,
///                 Whitespace, WhitespaceSplit, CharDelimiterSplit, BertPreTokenizer, UnicodeScripts, in sequence. Behind ByteLevel
///                 patterns see bytes as it spells them.
/// Post-processors ByteLevel (has no effect on ids), TemplateProcessing, BertProcessing, RobertaProcessing.
/// Errors          BadInput naming the file and quoting the stage, pattern or value that is not one of these.
Result<HfPipeline> readHfPipeline(const std::string& file, const JsonValue* normalizer, const JsonValue* preTokenizer,
                                  const JsonValue* postProcessor);

}  // namespace quern
