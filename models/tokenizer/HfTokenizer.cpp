// models/tokenizer/HfTokenizer.cpp — see HfTokenizer.h.
#include "models/tokenizer/HfTokenizer.h"

#include "compiler/base/Text.h"
#include "models/files/FileKind.h"
#include "models/files/FolderPath.h"
#include "models/files/MappedFile.h"
#include "models/tokenizer/ByteAlphabet.h"
#include "models/tokenizer/EndIds.h"
#include "models/tokenizer/HfModel.h"
#include "models/tokenizer/HfPipeline.h"
#include "models/tokenizer/HfVocabulary.h"

#include <filesystem>
#include <fmt/format.h>

namespace quern {

namespace {

class HfReader {
public:
  explicit HfReader(const HfTokenizerTexts& texts) : texts_(texts), vocabulary_(texts.tokenizerFile) { data_.file = texts.tokenizerFile; }

  Result<TokenizerData> read();

private:
  Error bad(const std::string& file, const std::string& why) const { return badInput(fmt::format("{}: {}", escaped(file), why)); }
  Result<void> known() const;
  Result<void> readParts();
  Result<void> readModel();
  Result<void> readConfig();
  Result<void> readSpecial();
  Result<void> readGeneration();
  Result<void> readModelConfig();
  Result<void> readIds(std::string_view text, const std::string& file, bool strict);
  void addEnd(int32_t id);
  Result<int32_t> namedToken(const JsonValue& value, const std::string& key) const;
  void spell();

  const HfTokenizerTexts& texts_;
  HfVocabulary vocabulary_;
  TokenizerData data_;
  JsonValue model_{JsonObject()}, normalizer_, preTokenizer_, postProcessor_;
};

Result<void> HfReader::readParts() {
  auto keep = [](JsonValue& where) {
    return [&where](const JsonPlace&, JsonValue&& value) -> Result<void> {
      where = std::move(value);
      return {};
    };
  };
  std::vector<JsonPick> picks = {
      {"model.vocab.*", [&](const JsonPlace& place, JsonValue&& id) { return vocabulary_.addToken(place, std::move(id)); }},
      {"model.merges.*", [&](const JsonPlace& place, JsonValue&& merge) { return vocabulary_.addMerge(place.index, merge); }},
      {"added_tokens.*", [&](const JsonPlace& place, JsonValue&& token) { return vocabulary_.addAdded(place.index, token); }},
      {"model.*",
       [&](const JsonPlace& place, JsonValue&& value) -> Result<void> {
         std::get<JsonObject>(model_.value).emplace_back(place.key(), std::move(value));
         // As soon as it is known: vocabularies of other types have other forms.
         return place.key() == "type" ? known() : Result<void>();
       }},
      {"normalizer", keep(normalizer_)},
      {"pre_tokenizer", keep(preTokenizer_)},
      {"post_processor", keep(postProcessor_)},
  };
  if (texts_.tokenizer.size() > static_cast<size_t>(kTokenizerJsonBytes))
    return bad(texts_.tokenizerFile, fmt::format("has {} bytes, at most {} are read", texts_.tokenizer.size(), kTokenizerJsonBytes));
  return pickJson({texts_.tokenizer, texts_.tokenizerFile}, picks);
}

Result<void> HfReader::known() const {
  auto kind = hfModelKind(texts_.tokenizerFile, model_, true);
  return kind ? Result<void>() : Result<void>(kind.error());
}

Result<void> HfReader::readModel() {
  auto kind = hfModelKind(texts_.tokenizerFile, model_, vocabulary_.hasMerges());
  if (!kind) return kind.error();
  data_.kind = *kind;
  const JsonValue* prefix = model_.find("continuing_subword_prefix");
  const auto* text = prefix == nullptr || *kind != TokenizerKind::ByteMerges ? nullptr : prefix->as<std::string>();
  if (auto good = vocabulary_.finish(data_, text == nullptr ? 0 : text->size()); !good) return good;
  auto pipeline = readHfPipeline(texts_.tokenizerFile, &normalizer_, &preTokenizer_, &postProcessor_);
  if (!pipeline) return pipeline.error();
  return readHfModel(texts_.tokenizerFile, model_, std::move(*pipeline), vocabulary_, data_);
}

/// The id of "bos_token": "<s>", or {"content": "<s>", ...}.
Result<int32_t> HfReader::namedToken(const JsonValue& value, const std::string& key) const {
  if (value.as<std::nullptr_t>() != nullptr) return -1;
  const JsonValue* inner = value.as<JsonObject>() == nullptr ? &value : value.find("content");
  const auto* text = inner == nullptr ? nullptr : inner->as<std::string>();
  if (text == nullptr)
    return bad(texts_.configFile,
               fmt::format("'{}' is {}, a string is needed", key, inner == nullptr ? "an object without 'content'" : inner->kind()));
  int32_t id = vocabulary_.find(data_, *text);
  if (id >= 0 || text->empty()) return id;
  return bad(texts_.configFile,
             fmt::format("'{}' is '{}', which the vocabulary of {} lacks", key, escapedShort(*text), escaped(texts_.tokenizerFile)));
}

Result<void> HfReader::readConfig() {
  if (texts_.config.empty()) return {};
  JsonValue config{JsonObject()};
  std::vector<JsonPick> picks;
  for (const char* key : {"bos_token", "eos_token", "add_bos_token", "add_eos_token", "tokenizer_class"})
    picks.push_back({key, [&](const JsonPlace& place, JsonValue&& value) -> Result<void> {
                       std::get<JsonObject>(config.value).emplace_back(place.key(), std::move(value));
                       return {};
                     }});
  if (auto good = pickJson({texts_.config, texts_.configFile}, picks); !good) return good;
  struct Named {
    const char* key;
    int32_t* id;
  };
  for (Named named : {Named{"bos_token", &data_.bos}, Named{"eos_token", &data_.eos}}) {
    const JsonValue* value = config.find(named.key);
    if (value == nullptr) continue;
    auto id = namedToken(*value, named.key);
    if (!id) return id.error();
    if (*id >= 0) *named.id = *id;
  }
  JsonFields fields(texts_.configFile, config);
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
Result<void> HfReader::readSpecial() {
  if (texts_.special.empty()) return {};
  auto map = parseJson({texts_.special, texts_.specialFile});
  if (!map) return map.error();
  auto idUnder = [&](const char* key) {
    const JsonValue* value = map->find(key);
    if (value != nullptr && value->as<JsonObject>() != nullptr) value = value->find("content");
    const auto* text = value == nullptr ? nullptr : value->as<std::string>();
    return text == nullptr || text->empty() ? -1 : vocabulary_.find(data_, *text);
  };
  if (data_.bos < 0) data_.bos = idUnder("bos_token");
  addEnd(idUnder("eos_token"));
  return {};
}

void HfReader::addEnd(int32_t id) {
  if (id < 0) return;
  if (data_.eos < 0) data_.eos = id;
  data_.ends.push_back(id);
}

/// bos_token_id and eos_token_id of one file. Ids outside the vocabulary are wrong in `strict` files, none in others.
Result<void> HfReader::readIds(std::string_view text, const std::string& file, bool strict) {
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

Result<void> HfReader::readGeneration() { return readIds(texts_.generation, texts_.generationFile, true); }
Result<void> HfReader::readModelConfig() { return readIds(texts_.model, texts_.modelFile, false); }

/// Byte-level tokens become the bytes they spell.
void HfReader::spell() {
  if (data_.kind != TokenizerKind::ByteMerges) return;
  TokenTexts bytes;
  bytes.reserveAs(data_.tokens);
  for (int32_t id = 0; id < data_.tokens.size(); ++id) {
    auto spelled = data_.types[static_cast<size_t>(id)] == TokenType::Normal ? bytesOfSpelling(data_.tokens[id]) : std::nullopt;
    bytes.add(spelled ? std::string_view(*spelled) : data_.tokens[id]);
  }
  data_.tokens = std::move(bytes);
}

Result<TokenizerData> HfReader::read() {
  using Step = Result<void> (HfReader::*)();
  for (Step step : {&HfReader::readParts, &HfReader::readModel, &HfReader::readConfig, &HfReader::readSpecial, &HfReader::readGeneration,
                    &HfReader::readModelConfig})
    if (auto good = (this->*step)(); !good) return good.error();
  spell();
  return std::move(data_);
}

}  // namespace

Result<TokenizerData> parseHfTokenizer(const HfTokenizerTexts& texts) { return HfReader(texts).read(); }

Result<TokenizerData> readHfTokenizer(const std::string& tokenizerPath) {
  HfTokenizerTexts texts;
  std::vector<MappedFile> files;
  auto text = [&](const std::string& path, int64_t most) -> Result<std::string_view> {
    auto file = MappedFile::open(path);
    if (!file) return file.error();
    if (file->bytes() > most) return badInput(fmt::format("{}: has {} bytes, at most {} are read", escaped(path), file->bytes(), most));
    std::string_view all = file->text();
    if (std::string kind = all.starts_with("{") ? "" : foreignKind(all.substr(0, 4096), all.size()); !kind.empty())
      return badInput(fmt::format("{}: {}", escaped(path), kind));
    files.push_back(std::move(*file));
    return files.back().text();
  };
  struct Part {
    std::string name;
    int64_t most;
    std::string HfTokenizerTexts::* file;
    std::string_view HfTokenizerTexts::* text;
  };
  size_t slash = tokenizerPath.rfind('/');
  std::string folder = slash == std::string::npos ? "." : tokenizerPath.substr(0, slash + 1);
  using Texts = HfTokenizerTexts;
  const Part parts[] = {{tokenizerPath, kTokenizerJsonBytes, &Texts::tokenizerFile, &Texts::tokenizer},
                        {pathIn(folder, "tokenizer_config.json"), kIndexJsonBytes, &Texts::configFile, &Texts::config},
                        {pathIn(folder, "special_tokens_map.json"), kSmallJsonBytes, &Texts::specialFile, &Texts::special},
                        {pathIn(folder, "generation_config.json"), kSmallJsonBytes, &Texts::generationFile, &Texts::generation},
                        {pathIn(folder, "config.json"), kSmallJsonBytes, &Texts::modelFile, &Texts::model}};
  for (const Part& part : parts) {
    std::error_code ignored;
    if (part.name != tokenizerPath && !std::filesystem::exists(part.name, ignored)) continue;
    auto read = text(part.name, part.most);
    if (!read) return read.error();
    texts.*part.text = *read;
    texts.*part.file = part.name;
  }
  return parseHfTokenizer(texts);
}

}  // namespace quern
