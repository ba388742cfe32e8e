// models/tokenizer/UnigramModel.h — SentencePiece's language model over pieces: of all ways to write a text in tokens the likeliest.
#pragma once

#include "models/tokenizer/ByteTrie.h"
#include "models/tokenizer/MergeQueue.h"
#include "models/tokenizer/TokenizerData.h"

#include <string_view>
#include <vector>

namespace quern {

/// Picks the tokens whose scores (logarithms of their chances) have the largest sum. A character that is no token by itself may be an
/// unknown one, at 10 less than the lowest score of an ordinary token. Of equal sums the one that comes first wins: earlier beginnings,
/// then shorter tokens.
///
/// Numeric  sums are double, or rounded to float at each step, as SentencePiece's own are.
/// Cost     O(n * longest token); memory by the longest stretch that no place cuts for all ways.
/// Source   Kudo, Subword Regularization (2018); the tie rules: sentencepiece 0.1.97, unigram_model.cc.
class UnigramModel {
public:
  UnigramModel() = default;
  explicit UnigramModel(const TokenizerData& data);

  /// Appends the tokens of `text` to work.symbols; a character that is unknown has the id -1.
  void cut(MergeWork& work, std::string_view text) const;

private:
  ByteTrie tokens_;
  std::vector<double> scores_;  ///< of each id
  double unknownScore_ = 0;
  bool floatSums_ = false;
};

}  // namespace quern
