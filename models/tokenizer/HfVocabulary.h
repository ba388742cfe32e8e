// models/tokenizer/HfVocabulary.h — collects the tokens and merges of a tokenizer.json as they come.
#pragma once

#include "models/files/Json.h"
#include "models/tokenizer/TokenIndex.h"
#include "models/tokenizer/TokenizerData.h"

#include <string>
#include <vector>

namespace quern {

/// model.vocab, model.merges and added_tokens of one file, in whatever order the file has them.
/// Errors   of every function: BadInput naming file, field and value.
class HfVocabulary {
public:
  explicit HfVocabulary(std::string file) : file_(std::move(file)) {}

  Result<void> addToken(std::string_view text, const JsonValue& id);
  Result<void> addMerge(int64_t place, const JsonValue& merge);
  Result<void> addAdded(int64_t place, const JsonValue& token);

  /// Tokens by id (ids that nothing names are Unused and empty), their types, the added tokens and the merges. Tokens are as
  /// the file spells them.
  Result<void> finish(TokenizerData& data);

  bool hasMerges() const { return mergeTexts_.size() > 0; }

  /// The id of a spelling after finish(); -1.
  int32_t find(const TokenizerData& data, std::string_view spelling) const { return index_.find(data.tokens, spelling); }

private:
  struct Added {
    std::string text;
    AddedToken token;
  };
  Error bad(const std::string& why) const;
  Result<int32_t> idOf(const JsonValue& value, const std::string& field) const;
  Result<void> place(TokenizerData& data);
  Result<void> resolveMerges(TokenizerData& data);

  std::string file_;
  TokenTexts texts_;
  std::vector<int32_t> ids_;  ///< of texts_
  TokenTexts mergeTexts_;     ///< two to a merge, or one with a blank between and an empty one
  std::vector<Added> added_;
  TokenIndex index_;
};

}  // namespace quern
