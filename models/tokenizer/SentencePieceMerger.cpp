// models/tokenizer/SentencePieceMerger.cpp — see SentencePieceMerger.h.
#include "models/tokenizer/SentencePieceMerger.h"

#include <bit>

namespace quern {

/// Floats in descending order as ascending integers: the bits of positive ones are ordered as they are, those of negative
/// ones the other way round. -0 is 0.
static uint32_t rankOf(float score) {
  auto bits = std::bit_cast<uint32_t>(score == 0 ? 0.0f : score);
  uint32_t ascending = bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
  return ~ascending;
}

SentencePieceMerger::SentencePieceMerger(std::span<const float> scores, uint32_t longest) : longest_(longest) {
  ranks_.reserve(scores.size());
  for (float score : scores) ranks_.push_back(rankOf(score));
}

void SentencePieceMerger::merge(MergeWork& work, std::string_view text, const TokenTexts& texts, const TokenIndex& index) const {
  mergeSymbols(work, [&](const MergeSymbol& a, const MergeSymbol& b) {
    uint32_t length = a.length + b.length;
    if (length > longest_) return kNoMerge;
    int32_t id = index.find(texts, text.substr(a.begin, length));
    return id < 0 ? kNoMerge : MergeFound{ranks_[static_cast<size_t>(id)], id};
  });
}

}  // namespace quern
