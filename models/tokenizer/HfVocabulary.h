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

  /// A key with its id; of a list, a pair of text and score (Unigram).
  Result<void> addToken(const JsonPlace& place, JsonValue&& value);
  /// A line of vocab.txt. One that is there already is another token with the same text: only the last is found.
  Result<void> addLine(std::string_view text, int64_t id);
  Result<void> addMerge(int64_t place, const JsonValue& merge);
  Result<void> addAdded(int64_t place, const JsonValue& token);

  /// Tokens by id (ids that nothing names are Unused and empty), their types, the added tokens and the merges. Tokens are as
  /// the file spells them. `affix`: bytes that the right half of a merge begins with and loses.
  Result<void> finish(TokenizerData& data, size_t affix = 0);

  /// The id of a text that addToken or addLine has had, before finish(); -1.
  int32_t idBefore(std::string_view text) const;

  bool hasAdded(std::string_view text) const;
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
  Result<void> addText(std::string_view text, int32_t id);
  Result<void> place(TokenizerData& data);
  Result<void> resolveMerges(TokenizerData& data, size_t affix);

  std::string file_;
  TokenTexts texts_;
  std::vector<int32_t> ids_;    ///< of texts_
  std::vector<double> scores_;  ///< of texts_; none but in a list
  TokenTexts mergeTexts_;       ///< two to a merge, or one with a blank between and an empty one
  std::vector<Added> added_;
  TokenIndex index_;
};

}  // namespace quern
