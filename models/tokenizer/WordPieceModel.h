// models/tokenizer/WordPieceModel.h — BERT's: a word is its longest beginning that is a token, then the longest that goes on.
#pragma once

#include "models/tokenizer/ByteTrie.h"
#include "models/tokenizer/TokenizerData.h"

#include <string_view>
#include <vector>

namespace quern {

/// Cost   O(n * longest token).
class WordPieceModel {
public:
  WordPieceModel() = default;
  explicit WordPieceModel(const TokenizerData& data);

  /// Appends the ids of a word. False, and nothing is appended: the word cannot be written so, or is longer than words may be.
  bool cut(std::vector<int32_t>& ids, std::string_view word) const;

private:
  ByteTrie tokens_;
  int32_t first_ = -1, next_ = -1;  ///< where words begin in it, and where they go on; -1: no token does
  int64_t longest_ = 0;             ///< characters of a word; 0: any
};

}  // namespace quern
