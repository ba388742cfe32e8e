// models/tokenizer/UnigramModel.cpp — see UnigramModel.h.
#include "models/tokenizer/UnigramModel.h"

#include "models/tokenizer/Utf8.h"

#include <algorithm>
#include <limits>

namespace quern {

UnigramModel::UnigramModel(const TokenizerData& data) : floatSums_(data.floatSums) {
  constexpr double kUnknownPenalty = 10;
  double low = 0, high = std::numeric_limits<float>::min();  // what SentencePiece begins with: logarithms are below it
  bool any = false;
  std::vector<ByteTrie::Entry> entries;
  scores_.assign(data.scores.begin(), data.scores.end());
  if (!data.fineScores.empty()) scores_ = data.fineScores;
  for (int32_t id = 0; id < data.tokens.size(); ++id) {
    auto at = static_cast<size_t>(id);
    TokenType type = data.types[at];
    if (type == TokenType::Normal) {
      low = any ? std::min(low, scores_[at]) : scores_[at];
      high = std::max(high, scores_[at]);
      any = true;
    }
    bool taken = type == TokenType::Normal || type == TokenType::UserDefined || (type == TokenType::Unused && !data.floatSums) ||
                 (type == TokenType::Byte && !data.fineScores.empty());  // in tokenizer.json they are tokens like others
    if (taken && !data.tokens[id].empty()) entries.push_back({data.tokens[id], id});
  }
  // Tokens that a user has defined are taken wherever they stand: no score of others is as high.
  for (const ByteTrie::Entry& entry : entries)
    if (auto at = static_cast<size_t>(entry.id); data.types[at] == TokenType::UserDefined)
      scores_[at] = floatSums_ ? static_cast<double>(static_cast<float>(entry.text.size()) * static_cast<float>(high)) - 0.1 : 0.0;
  unknownScore_ = low - kUnknownPenalty;
  if (floatSums_) unknownScore_ = static_cast<float>(low) - static_cast<float>(kUnknownPenalty);
  tokens_ = ByteTrie(std::move(entries));
}

void UnigramModel::cut(MergeWork& work, std::string_view text) const {
  struct Best {
    double sum = 0;
    uint32_t begin = UINT32_MAX;  ///< of the last token; UINT32_MAX: no way leads here
    int32_t id = -1;
  };
  auto base = static_cast<uint32_t>(0);  // all ways go through it
  std::vector<Best> best(1);             // of the ends base, base + 1 ...
  best[0].begin = 0;
  std::vector<MergeSymbol> backwards;
  auto offer = [&](uint32_t from, uint32_t end, int32_t id, double score) {
    if (end - base >= best.size()) best.resize(end - base + 1);
    double sum = best[from - base].sum + score;
    Best& there = best[end - base];
    if (there.begin != UINT32_MAX && sum <= there.sum) return;
    there = {floatSums_ ? static_cast<double>(static_cast<float>(sum)) : sum, from, id};
  };
  auto flush = [&](uint32_t end) {
    backwards.clear();
    for (uint32_t at = end; at > base; at = best[at - base].begin) {
      const Best& last = best[at - base];
      backwards.push_back({last.begin, at - last.begin, last.id});
    }
    for (size_t i = backwards.size(); i-- > 0;) work.add(backwards[i].begin, backwards[i].length, backwards[i].id);
    best[0].sum = best[end - base].sum;
    best.resize(1);
    base = end;
  };
  uint32_t reach = 0;
  for (uint32_t at = 0; at < text.size();) {
    if (at == reach && at > base) flush(at);
    uint32_t character = utf8At(text, at).bytes;
    bool whole = false;
    int32_t node = 0;
    for (uint32_t end = at; end < text.size() && (node = tokens_.step(node, text[end])) >= 0;) {
      ++end;
      int32_t id = tokens_.idAt(node);
      if (id < 0) continue;
      whole = whole || end - at == character;
      offer(at, end, id, scores_[static_cast<size_t>(id)]);
      reach = std::max(reach, end);
    }
    if (!whole) offer(at, at + character, -1, unknownScore_);
    at += character;
    reach = std::max(reach, at);
  }
  if (!text.empty()) flush(static_cast<uint32_t>(text.size()));
}

}  // namespace quern
