// models/tokenizer/HfPipeline.h — the stages of a tokenizer.json around its model: normalizer, pre_tokenizer, post_processor.
#pragma once

#include "models/files/Json.h"
#include "models/tokenizer/TokenizerData.h"

namespace quern {

/// What the stages amount to.
struct HfPipeline {
  bool byteLevel = false;  ///< a ByteLevel stage: tokens are spelled in GPT-2's alphabet
  bool nfc = false;
  bool blanks = false;     ///< blanks become U+2581
  bool metaspace = false;  ///< a Metaspace stage has set the rule
  std::vector<CutStep> cuts;
  SplitRule rule = SplitRule::None;
  SpacePrefix prefix = SpacePrefix::Never;
  bool blankBeforePieces = false;  ///< behind cuts, ByteLevel puts its blank before every piece
  int32_t bos = -1, eos = -1;      ///< what post_processor puts around a text
};

/// Reads the three stages; null pointers and JSON nulls are absent ones.
///
/// Normalizers     NFC; Prepend and Replace of blanks by U+2581; sequences of them.
/// Pre-tokenizers  ByteLevel, and before it any number of Split (by a text or any regular expression that pcrePattern takes), Digits,
///                 Punctuation, Whitespace, WhitespaceSplit, CharDelimiterSplit, BertPreTokenizer; or Metaspace.
/// Post-processors ByteLevel (has no effect on ids), TemplateProcessing with at most one token on either side of the text.
/// Errors          BadInput naming the file and quoting the stage, pattern or value that is not one of these.
Result<HfPipeline> readHfPipeline(const std::string& file, const JsonValue* normalizer, const JsonValue* preTokenizer,
                                  const JsonValue* postProcessor);

}  // namespace quern
