// models/tokenizer/WordPieceModel.cpp — see WordPieceModel.h.
#include "models/tokenizer/WordPieceModel.h"

#include "models/tokenizer/Utf8.h"

namespace quern {

WordPieceModel::WordPieceModel(const TokenizerData& data) : longest_(data.longestWord) {
  std::vector<ByteTrie::Entry> entries;
  for (int32_t id = 0; id < data.tokens.size(); ++id) {
    TokenType type = data.types[static_cast<size_t>(id)];
    bool taken = type == TokenType::Normal || type == TokenType::Unused || type == TokenType::UserDefined;
    if (taken && !data.tokens[id].empty()) entries.push_back({data.tokens[id], id});
  }
  tokens_ = ByteTrie(std::move(entries));
  first_ = tokens_.walk(0, data.wordPrefix);
  next_ = tokens_.walk(0, data.continuingPrefix);
}

bool WordPieceModel::cut(std::vector<int32_t>& ids, std::string_view word) const {
  size_t before = ids.size(), characters = 0;
  for (size_t at = 0; longest_ > 0 && at < word.size(); at += utf8At(word, at).bytes) ++characters;
  if (static_cast<int64_t>(characters) > longest_ && longest_ > 0) return false;
  int32_t node = first_;
  for (bool first = true; first || !word.empty(); first = false, node = next_) {
    auto [id, bytes] = node < 0 ? std::pair<int32_t, size_t>(-1, 0) : tokens_.longest(word, node);
    // What prefixes stand for has no text of its own: a word may begin with it, but nothing goes on so.
    if (id < 0 || (bytes == 0 && !first)) {
      ids.resize(before);
      return false;
    }
    ids.push_back(id);
    word.remove_prefix(bytes);
  }
  return true;
}

}  // namespace quern
