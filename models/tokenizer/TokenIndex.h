// models/tokenizer/TokenIndex.h — from a token's text to its id.
#pragma once

#include "models/tokenizer/TokenizerData.h"

#include <functional>
#include <optional>
#include <utility>

namespace quern {

/// An open-addressing hash table of ids; the texts stay where they are and must outlive it. The hash has a random start, so
/// that a file cannot choose texts which collide.
///
/// Cost   8 to 16 bytes a token.
class TokenIndex {
public:
  TokenIndex() = default;
  /// `takes(id)` says which tokens are in it. The first of equal texts is found.
  TokenIndex(const TokenTexts& texts, const std::function<bool(int32_t)>& takes);

  /// The id of `text`, -1 where it is none. `texts` are those of the constructor.
  int32_t find(const TokenTexts& texts, std::string_view text) const;

  /// Two ids with the same text among those taken, lowest second id first.
  std::optional<std::pair<int32_t, int32_t>> duplicate() const { return duplicate_; }

private:
  size_t placeOf(const TokenTexts& texts, std::string_view text) const;

  std::vector<int32_t> slots_;  ///< -1: free; a power of two of them, at most half taken
  uint64_t start_ = 0;
  std::optional<std::pair<int32_t, int32_t>> duplicate_;
};

}  // namespace quern
