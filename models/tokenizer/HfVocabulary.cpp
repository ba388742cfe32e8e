// models/tokenizer/HfVocabulary.cpp — see HfVocabulary.h.
#include "models/tokenizer/HfVocabulary.h"

#include "compiler/base/Text.h"
#include "models/tokenizer/MergeNames.h"
#include "models/tokenizer/Utf8.h"

#include <fmt/format.h>
#include <algorithm>

namespace quern {

Error HfVocabulary::bad(const std::string& why) const { return badInput(fmt::format("{}: {}", escaped(file_), why)); }

Result<int32_t> HfVocabulary::idOf(const JsonValue& value, const std::string& field) const {
  auto id = value.integer();
  if (!id) return bad(fmt::format("{} is {}, a token id is needed", field, value.kind()));
  if (*id < 0 || *id >= kMaxTokens) return bad(fmt::format("{} is {}, 0 to {} are legal", field, *id, kMaxTokens - 1));
  return static_cast<int32_t>(*id);
}

Result<void> HfVocabulary::addToken(const JsonPlace& place, JsonValue&& value) {
  if (place.index < 0) {
    auto number = idOf(value, fmt::format("'model.vocab' of '{}'", escapedShort(place.key())));
    return number ? addText(place.key(), *number) : Result<void>(number.error());
  }
  const auto* pair = value.as<JsonArray>();
  const auto* text = pair == nullptr || pair->size() != 2 ? nullptr : (*pair)[0].as<std::string>();
  auto score = text == nullptr ? std::nullopt : (*pair)[1].number();
  if (!score) return bad(fmt::format("'model.vocab.{}' is no pair of a text and a score", place.index));
  scores_.push_back(*score);
  return addText(*text, static_cast<int32_t>(std::min<int64_t>(place.index, kMaxTokens)));
}

Result<void> HfVocabulary::addLine(std::string_view text, int64_t id) {
  if (id >= kMaxTokens) return bad(fmt::format("has more than {} lines", kMaxTokens));
  if (firstBadUtf8(text) != std::string_view::npos) return bad(fmt::format("line {} is not UTF-8", id + 1));
  return text.empty() ? Result<void>() : addText(text, static_cast<int32_t>(id));
}

int32_t HfVocabulary::idBefore(std::string_view text) const {
  for (int32_t i = 0; i < texts_.size(); ++i)
    if (texts_[i] == text) return ids_[static_cast<size_t>(i)];
  return -1;
}

bool HfVocabulary::hasAdded(std::string_view text) const {
  return std::any_of(added_.begin(), added_.end(), [&](const Added& one) { return one.text == text; });
}

Result<void> HfVocabulary::addText(std::string_view text, int32_t id) {
  if (ids_.size() == static_cast<size_t>(kMaxTokens)) return bad(fmt::format("'model.vocab' has more than {} tokens", kMaxTokens));
  if (text.size() > static_cast<size_t>(kMaxTokenBytes))
    return bad(fmt::format("'model.vocab' has a token of {} bytes, at most {} are read", text.size(), kMaxTokenBytes));
  texts_.add(text);
  ids_.push_back(id);
  return {};
}

Result<void> HfVocabulary::addMerge(int64_t place, const JsonValue& merge) {
  if (place >= kMaxMerges) return bad(fmt::format("'model.merges' has more than {} merges", kMaxMerges));
  if (const auto* text = merge.as<std::string>()) {
    if (text->size() > static_cast<size_t>(2 * kMaxTokenBytes))
      return bad(fmt::format("'model.merges.{}' has {} bytes, at most {} are read", place, text->size(), 2 * kMaxTokenBytes));
    mergeTexts_.add(*text);
    mergeTexts_.add("");
    return {};
  }
  const auto* pair = merge.as<JsonArray>();
  if (pair == nullptr || pair->size() != 2 || (*pair)[0].as<std::string>() == nullptr || (*pair)[1].as<std::string>() == nullptr)
    return bad(fmt::format("'model.merges.{}' is {}, a string or two strings are needed", place,
                           pair == nullptr ? merge.kind() : "another array"));
  for (const JsonValue& half : *pair) {
    const auto& text = *half.as<std::string>();
    if (text.empty() || text.size() > static_cast<size_t>(kMaxTokenBytes))
      return bad(fmt::format("'model.merges.{}' has a half of {} bytes, 1 to {} are legal", place, text.size(), kMaxTokenBytes));
    mergeTexts_.add(text);
  }
  return {};
}

Result<void> HfVocabulary::addAdded(int64_t place, const JsonValue& token) {
  std::string field = fmt::format("added_tokens.{}", place);
  if (token.as<JsonObject>() == nullptr) return bad(fmt::format("'{}' is {}, an object is needed", field, token.kind()));
  if (place >= kMaxTokens) return bad(fmt::format("'added_tokens' has more than {} tokens", kMaxTokens));
  JsonFields fields(file_ + ": " + field, token);
  auto content = fields.string("content");
  if (!content) return content.error();
  if (!*content || (*content)->empty() || (*content)->size() > static_cast<size_t>(kMaxTokenBytes))
    return bad(fmt::format("'{}.content' has {} bytes, 1 to {} are legal", field, content->value_or("").size(), kMaxTokenBytes));
  const JsonValue* number = token.find("id");
  if (number == nullptr) return bad(fmt::format("'{}.id' is missing", field));
  auto id = idOf(*number, fmt::format("'{}.id'", field));
  if (!id) return id.error();
  Added added{std::string(**content), {.id = *id}};
  struct Flag {
    const char* name;
    bool AddedToken::* member;
  };
  for (Flag flag : {Flag{"special", &AddedToken::special}, Flag{"lstrip", &AddedToken::leftStrip}, Flag{"rstrip", &AddedToken::rightStrip},
                    Flag{"normalized", &AddedToken::normalized}, Flag{"single_word", &AddedToken::singleWord}}) {
    auto value = fields.boolean(flag.name);
    if (!value) return value.error();
    added.token.*flag.member = value->value_or(false);
  }
  added_.push_back(std::move(added));
  return {};
}

/// Tokens in the order of their ids.
Result<void> HfVocabulary::place(TokenizerData& data) {
  int32_t size = 0;
  for (int32_t id : ids_) size = std::max(size, id + 1);
  for (const Added& added : added_) size = std::max(size, added.token.id + 1);
  std::vector<int32_t> where(static_cast<size_t>(size), -1);  // id to the index in texts_, or to -2 - index in added_
  for (size_t i = 0; i < ids_.size(); ++i) {
    int32_t& slot = where[static_cast<size_t>(ids_[i])];
    if (slot >= 0)
      return bad(fmt::format("'model.vocab' has the id {} for '{}' and for '{}', ids differ", ids_[i], escapedShort(texts_[slot]),
                             escapedShort(texts_[static_cast<int32_t>(i)])));
    slot = static_cast<int32_t>(i);
  }
  for (size_t i = 0; i < added_.size(); ++i) {
    int32_t& slot = where[static_cast<size_t>(added_[i].token.id)];
    std::string_view there = slot >= 0    ? texts_[slot]
                             : slot == -1 ? std::string_view(added_[i].text)
                                          : std::string_view(added_[static_cast<size_t>(-2 - slot)].text);
    if (there != added_[i].text)
      return bad(fmt::format("'added_tokens.{}.id' is {} for '{}', which is the id of '{}'", i, added_[i].token.id,
                             escapedShort(added_[i].text), escapedShort(there)));
    if (slot < -1) return bad(fmt::format("'added_tokens.{}' is '{}' again", i, escapedShort(added_[i].text)));
    slot = slot >= 0 ? slot : -2 - static_cast<int32_t>(i);
  }
  data.tokens.reserveAs(texts_);
  for (int32_t slot : where)
    data.tokens.add(slot >= 0 ? texts_[slot] : slot == -1 ? "" : std::string_view(added_[static_cast<size_t>(-2 - slot)].text));
  data.types.assign(where.size(), TokenType::Normal);
  for (size_t id = 0; id < where.size(); ++id)
    if (data.tokens[static_cast<int32_t>(id)].empty()) data.types[id] = TokenType::Unused;
  if (data.kind != TokenizerKind::Unigram) return {};
  if (scores_.size() != ids_.size()) return bad("'model.vocab' is an object, a list of texts and scores is needed for Unigram");
  data.fineScores = std::move(scores_);
  data.fineScores.resize(where.size(), 0.0);
  for (double score : data.fineScores) data.scores.push_back(static_cast<float>(score));
  return {};
}

Result<void> HfVocabulary::resolveMerges(TokenizerData& data, size_t affix) {
  MergeNames names(escaped(file_) + ": 'model.merges'", data.tokens, index_, affix);
  for (int32_t i = 0; i < mergeTexts_.size(); i += 2) {
    if (!mergeTexts_[i + 1].empty()) names.add(mergeTexts_[i], mergeTexts_[i + 1]);
    else if (auto good = names.add(mergeTexts_[i]); !good) return good;
  }
  auto merges = names.finish();
  if (!merges) return merges.error();
  data.merges = std::move(*merges);
  mergeTexts_ = {};
  return {};
}

Result<void> HfVocabulary::finish(TokenizerData& data, size_t affix) {
  if (ids_.empty() && added_.empty()) return bad("'model.vocab' has no tokens");
  if (auto good = place(data); !good) return good;
  texts_ = {};
  ids_ = {};
  index_ = TokenIndex(data.tokens, [&](int32_t id) { return !data.tokens[id].empty(); });
  // Keys of an object differ, so one of the two is an added token; a list may have a text twice.
  if (auto twice = index_.duplicate())
    return bad(fmt::format("'{}' has the id {} and as an added token {}, one id is needed", escapedShort(data.tokens[twice->first]),
                           twice->first, twice->second));
  for (const Added& added : added_) {
    data.added.push_back(added.token);
    data.types[static_cast<size_t>(added.token.id)] = added.token.special ? TokenType::Control : TokenType::UserDefined;
  }
  added_ = {};
  return resolveMerges(data, affix);
}

}  // namespace quern
