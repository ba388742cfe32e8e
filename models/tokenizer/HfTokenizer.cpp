// models/tokenizer/HfTokenizer.cpp — see HfTokenizer.h.
#include "models/tokenizer/HfTokenizer.h"

#include "compiler/base/Text.h"
#include "models/files/FileKind.h"
#include "models/files/FolderPath.h"
#include "models/files/MappedFile.h"
#include "models/tokenizer/ByteAlphabet.h"
#include "models/tokenizer/HfBeside.h"
#include "models/tokenizer/HfClasses.h"
#include "models/tokenizer/HfModel.h"
#include "models/tokenizer/HfVocabulary.h"
#include "models/tokenizer/SentencePieceFile.h"

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
  Result<void> readVocabFiles();
  void spell();

  const HfTokenizerTexts& texts_;
  HfVocabulary vocabulary_;
  TokenizerData data_;
  JsonValue config_{JsonObject()}, model_{JsonObject()}, normalizer_, preTokenizer_, postProcessor_;
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

/// `each(line)` for the lines of a text, without what ends them.
template <class Each>
static Result<void> forEachLine(std::string_view text, const Each& each) {
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (auto good = each(line); !good) return good;
  }
  return {};
}

Result<void> HfReader::readVocabFiles() {
  if (texts_.form == HfForm::VocabMerges) {
    std::vector<JsonPick> picks = {
        {"*", [&](const JsonPlace& place, JsonValue&& id) { return vocabulary_.addToken(place, std::move(id)); }}};
    if (auto good = pickJson({texts_.tokenizer, texts_.tokenizerFile}, picks); !good) return good;
    int64_t merges = 0;
    auto add = [&](std::string_view line) -> Result<void> {
      if (line.empty() || (merges == 0 && line.starts_with("#version"))) return {};
      return vocabulary_.addMerge(merges++, JsonValue{std::string(line)});
    };
    if (auto good = forEachLine(texts_.merges, add); !good) return good;
  } else {
    int64_t id = 0;
    auto add = [&](std::string_view line) { return vocabulary_.addLine(line, id++); };
    if (auto good = forEachLine(texts_.tokenizer, add); !good) return good;
  }
  int64_t place = 0;
  auto addAdded = [&](JsonValue&& token) { return vocabulary_.addAdded(place++, token); };
  if (auto good = forEachAdded(texts_, config_, addAdded); !good) return good;
  auto stages = hfClassStages(texts_, config_, vocabulary_);
  if (!stages) return stages.error();
  for (JsonValue& token : stages->added)
    if (auto good = addAdded(std::move(token)); !good) return good;
  model_ = std::move(stages->model);
  normalizer_ = std::move(stages->normalizer);
  preTokenizer_ = std::move(stages->preTokenizer);
  postProcessor_ = std::move(stages->postProcessor);
  return {};
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
  auto config = readTokenizerConfig(texts_);
  if (!config) return config.error();
  config_ = std::move(*config);
  if (auto good = texts_.form == HfForm::Json ? readParts() : readVocabFiles(); !good) return good.error();
  if (auto good = readModel(); !good) return good.error();
  auto find = [&](std::string_view spelling) { return vocabulary_.find(data_, spelling); };
  if (auto good = readBeside(texts_, config_, find, data_); !good) return good.error();
  spell();
  return std::move(data_);
}

}  // namespace

Result<TokenizerData> parseHfTokenizer(const HfTokenizerTexts& texts) {
  return texts.form == HfForm::SentencePiece ? readSentencePiece(texts) : HfReader(texts).read();
}

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
  std::string_view name = std::string_view(tokenizerPath).substr(slash == std::string::npos ? 0 : slash + 1);
  if (name == "vocab.json") texts.form = HfForm::VocabMerges;
  else if (name == "vocab.txt") texts.form = HfForm::VocabTxt;
  else if (name.ends_with(".model")) texts.form = HfForm::SentencePiece;
  const Part parts[] = {{tokenizerPath, kTokenizerJsonBytes, &Texts::tokenizerFile, &Texts::tokenizer},
                        {pathIn(folder, "tokenizer_config.json"), kIndexJsonBytes, &Texts::configFile, &Texts::config},
                        {pathIn(folder, "special_tokens_map.json"), kSmallJsonBytes, &Texts::specialFile, &Texts::special},
                        {pathIn(folder, "generation_config.json"), kSmallJsonBytes, &Texts::generationFile, &Texts::generation},
                        {pathIn(folder, "config.json"), kSmallJsonBytes, &Texts::modelFile, &Texts::model},
                        {pathIn(folder, "merges.txt"), kTokenizerJsonBytes, &Texts::mergesFile, &Texts::merges},
                        {pathIn(folder, "added_tokens.json"), kIndexJsonBytes, &Texts::addedFile, &Texts::added}};
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
