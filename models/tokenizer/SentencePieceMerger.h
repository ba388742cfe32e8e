// models/tokenizer/SentencePieceMerger.h — BPE by scores: any two neighbours whose text is a token, the highest score first.
#pragma once

#include "models/tokenizer/MergeQueue.h"
#include "models/tokenizer/TokenIndex.h"

#include <span>

namespace quern {

/// The tokens of a vocabulary as SentencePiece merges them.
class SentencePieceMerger {
public:
  SentencePieceMerger() = default;
  /// `scores`: one per id, no NaN. `longest`: bytes of the longest token that text may become.
  SentencePieceMerger(std::span<const float> scores, uint32_t longest);

  /// Merges work.symbols, which are stretches of `text`, whether or not a token stands for them; the leftmost of equal
  /// scores first. `index` finds the tokens that text may become, with scores of their own.
  void merge(MergeWork& work, std::string_view text, const TokenTexts& texts, const TokenIndex& index) const;

private:
  std::vector<uint32_t> ranks_;  ///< lower for higher scores; equal for equal ones
  uint32_t longest_ = 0;         ///< longer pairs are not looked up
};

}  // namespace quern
