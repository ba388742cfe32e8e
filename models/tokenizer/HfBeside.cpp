// models/tokenizer/HfBeside.cpp — see HfBeside.h.
#include "models/tokenizer/HfBeside.h"

#include "compiler/base/Text.h"
#include "models/tokenizer/EndIds.h"

#include <fmt/format.h>

namespace quern {

namespace {

class BesideReader {
public:
  BesideReader(const HfTokenizerTexts& texts, const JsonValue& config, const TokenFinder& find, TokenizerData& data)
      : texts_(texts), config_(config), find_(find), data_(data) {}

  Result<void> readConfig();
  Result<void> readSpecial();
  /// bos_token_id and eos_token_id of one file. Ids outside the vocabulary are wrong in `strict` files, none in others.
  Result<void> readIds(std::string_view text, const std::string& file, bool strict);

private:
  Error bad(const std::string& file, const std::string& why) const { return badInput(fmt::format("{}: {}", escaped(file), why)); }
  Result<int32_t> namedToken(const JsonValue& value, const std::string& key) const;
  void addEnd(int32_t id);

  const HfTokenizerTexts& texts_;
  const JsonValue& config_;
  const TokenFinder& find_;
  TokenizerData& data_;
};

/// The id of "bos_token": "<s>", or {"content": "<s>", ...}.
Result<int32_t> BesideReader::namedToken(const JsonValue& value, const std::string& key) const {
  if (value.as<std::nullptr_t>() != nullptr) return -1;
  const JsonValue* inner = value.as<JsonObject>() == nullptr ? &value : value.find("content");
  const auto* text = inner == nullptr ? nullptr : inner->as<std::string>();
  if (text == nullptr)
    return bad(texts_.configFile,
               fmt::format("'{}' is {}, a string is needed", key, inner == nullptr ? "an object without 'content'" : inner->kind()));
  int32_t id = find_(*text);
  if (id >= 0 || text->empty()) return id;
  return bad(texts_.configFile,
             fmt::format("'{}' is '{}', which the vocabulary of {} lacks", key, escapedShort(*text), escaped(texts_.tokenizerFile)));
}

Result<void> BesideReader::readConfig() {
  struct Named {
    const char* key;
    int32_t* id;
  };
  for (Named named : {Named{"bos_token", &data_.bos}, Named{"eos_token", &data_.eos}}) {
    const JsonValue* value = config_.find(named.key);
    if (value == nullptr) continue;
    auto id = namedToken(*value, named.key);
    if (!id) return id.error();
    if (*id >= 0) *named.id = *id;
  }
  JsonFields fields(texts_.configFile, config_);
  auto addBos = fields.boolean("add_bos_token");
  if (!addBos) return addBos.error();
  auto addEos = fields.boolean("add_eos_token");
  if (!addEos) return addEos.error();
  auto tokenizerClass = fields.string("tokenizer_class");
  if (!tokenizerClass) return tokenizerClass.error();
  std::string_view named = tokenizerClass->value_or("");
  bool llama = named.starts_with("LlamaTokenizer") || named.starts_with("CodeLlamaTokenizer");  // adds it unless it is told not to
  data_.addBos = addBos->value_or(data_.addBos || (llama && data_.bos >= 0));
  data_.addEos = addEos->value_or(data_.addEos);
  return {};
}

/// Tokens of a vocabulary that has them; others are nobody's here.
Result<void> BesideReader::readSpecial() {
  if (texts_.special.empty()) return {};
  auto map = parseJson({texts_.special, texts_.specialFile});
  if (!map) return map.error();
  auto idUnder = [&](const char* key) {
    const JsonValue* value = map->find(key);
    if (value != nullptr && value->as<JsonObject>() != nullptr) value = value->find("content");
    const auto* text = value == nullptr ? nullptr : value->as<std::string>();
    return text == nullptr || text->empty() ? -1 : find_(*text);
  };
  if (data_.bos < 0) data_.bos = idUnder("bos_token");
  addEnd(idUnder("eos_token"));
  return {};
}

void BesideReader::addEnd(int32_t id) {
  if (id < 0) return;
  if (data_.eos < 0) data_.eos = id;
  data_.ends.push_back(id);
}

/// bos_token_id and eos_token_id of one file. Ids outside the vocabulary are wrong in `strict` files, none in others.
Result<void> BesideReader::readIds(std::string_view text, const std::string& file, bool strict) {
  if (text.empty()) return {};
  auto config = parseJson({text, file});
  if (!config) return config.error();
  for (const char* key : {"eos_token_id", "bos_token_id"}) {
    bool end = key[0] == 'e';
    if (!end && data_.bos >= 0) break;
    auto ids = idsUnder(file, *config, key);
    if (!ids) return ids.error();
    for (int32_t id : *ids) {
      bool inside = id < data_.tokens.size();
      if (!inside && strict) return bad(file, fmt::format("'{}' is {}, 0 to {} are legal", key, id, data_.tokens.size() - 1));
      if (inside && end) addEnd(id);
      else if (inside && data_.bos < 0) data_.bos = id;
    }
  }
  return {};
}

}  // namespace

Result<JsonValue> readTokenizerConfig(const HfTokenizerTexts& texts) {
  JsonValue config{JsonObject()};
  if (texts.config.empty()) return config;
  std::vector<JsonPick> picks;
  for (const char* key : {"bos_token", "eos_token", "add_bos_token", "add_eos_token", "tokenizer_class", "unk_token", "cls_token",
                          "sep_token", "mask_token", "pad_token", "add_prefix_space", "do_lower_case", "strip_accents",
                          "tokenize_chinese_chars", "added_tokens_decoder", "legacy", "do_basic_tokenize"})
    picks.push_back({key, [&](const JsonPlace& place, JsonValue&& value) -> Result<void> {
                       std::get<JsonObject>(config.value).emplace_back(place.key(), std::move(value));
                       return {};
                     }});
  if (auto good = pickJson({texts.config, texts.configFile}, picks); !good) return good.error();
  return config;
}

Result<void> readBeside(const HfTokenizerTexts& texts, const JsonValue& config, const TokenFinder& find, TokenizerData& data) {
  BesideReader reader(texts, config, find, data);
  if (auto good = reader.readConfig(); !good) return good;
  if (auto good = reader.readSpecial(); !good) return good;
  if (auto good = reader.readIds(texts.generation, texts.generationFile, true); !good) return good;
  return reader.readIds(texts.model, texts.modelFile, false);
}

std::string_view namedText(const JsonValue& config, std::string_view key) {
  const JsonValue* value = config.find(key);
  if (value != nullptr && value->as<JsonObject>() != nullptr) value = value->find("content");
  const auto* text = value == nullptr ? nullptr : value->as<std::string>();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

Result<void> forEachAdded(const HfTokenizerTexts& texts, const JsonValue& config,
                          const std::function<Result<void>(JsonValue&& token)>& each) {
  if (const JsonValue* decoder = config.find("added_tokens_decoder"); decoder != nullptr && decoder->as<JsonObject>() != nullptr) {
    for (const auto& [key, value] : *decoder->as<JsonObject>()) {
      auto id = parseInt(key);
      if (!id || value.as<JsonObject>() == nullptr)
        return badInput(fmt::format("{}: 'added_tokens_decoder.{}' is no token by its id", escaped(texts.configFile), escapedShort(key)));
      JsonValue token = value;
      auto& fields = std::get<JsonObject>(token.value);
      std::erase_if(fields, [](const auto& field) { return field.first == "id"; });
      fields.emplace_back("id", JsonValue{int64_t{*id}});
      if (auto good = each(std::move(token)); !good) return good;
    }
    return {};
  }
  if (texts.added.empty()) return {};
  auto added = parseJson({texts.added, texts.addedFile});
  if (!added) return added.error();
  if (added->as<JsonObject>() == nullptr)
    return badInput(fmt::format("{}: is {}, an object is needed", escaped(texts.addedFile), added->kind()));
  for (const auto& [text, id] : *added->as<JsonObject>())
    if (auto good = each(JsonValue{JsonObject{{"id", id}, {"content", JsonValue{text}}}}); !good) return good;
  return {};
}

}  // namespace quern
