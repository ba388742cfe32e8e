// models/tokenizer/HfModel.cpp — see HfModel.h.
#include "models/tokenizer/HfModel.h"

#include "compiler/base/Text.h"
#include "models/tokenizer/Tokenizer.h"
#include "models/tokenizer/TokenizerTables.h"

#include <fmt/format.h>

namespace quern {

namespace {

class HfModelReader {
public:
  HfModelReader(const std::string& file, const JsonValue& model, const HfVocabulary& vocabulary, TokenizerData& data)
      : file_(file), fields_(file + ": model", model), vocabulary_(vocabulary), data_(data) {}

  Result<void> merges();
  Result<void> words();
  Result<void> unigram();
  Result<void> stages(HfPipeline pipeline);

private:
  Error bad(const std::string& why) const { return badInput(fmt::format("{}: {}", escaped(file_), why)); }
  Result<void> unknown();
  Result<void> takeText(const char* name, std::string& value);
  Result<void> takeFlag(const char* name, bool& value);

  const std::string& file_;
  JsonFields fields_;
  const HfVocabulary& vocabulary_;
  TokenizerData& data_;
};

Result<void> HfModelReader::takeText(const char* name, std::string& value) {
  auto text = fields_.string(name);
  if (!text) return text.error();
  if (*text && (*text)->size() > static_cast<size_t>(kMaxTokenBytes))
    return bad(fmt::format("'model.{}' has {} bytes, at most {} are read", name, (*text)->size(), kMaxTokenBytes));
  if (*text) value = **text;
  return {};
}

Result<void> HfModelReader::takeFlag(const char* name, bool& value) {
  auto given = fields_.boolean(name);
  if (!given) return given.error();
  value = given->value_or(value);
  return {};
}

Result<void> HfModelReader::unknown() {
  auto text = fields_.string("unk_token");
  if (!text) return text.error();
  if (text->value_or("").empty()) return {};
  data_.unknown = vocabulary_.find(data_, **text);
  if (data_.unknown < 0) return bad(fmt::format("'model.unk_token' is '{}', which the vocabulary lacks", escapedShort(**text)));
  data_.types[static_cast<size_t>(data_.unknown)] = TokenType::Unknown;
  return {};
}

Result<void> HfModelReader::merges() {
  auto dropout = fields_.number("dropout");
  if (!dropout) return dropout.error();
  if (double rate = dropout->value_or(0); rate != 0)
    return bad(fmt::format("'model.dropout' is {:g}, 0 or null is needed: ids are not drawn", rate));
  bool fallback = false;
  if (auto good = unknown(); !good) return good;
  for (auto [name, value] :
       {std::pair("byte_fallback", &fallback), {"ignore_merges", &data_.ignoreMerges}, {"fuse_unk", &data_.fuseUnknown}})
    if (auto good = takeFlag(name, *value); !good) return good;
  for (auto [name, value] : {std::pair("continuing_subword_prefix", &data_.continuingPrefix), {"end_of_word_suffix", &data_.wordSuffix}})
    if (auto good = takeText(name, *value); !good) return good;
  data_.byteFallback = fallback;
  return {};
}

Result<void> HfModelReader::words() {
  if (auto good = unknown(); !good) return good;
  if (data_.kind == TokenizerKind::WordLevel) return {};
  data_.continuingPrefix = "##";
  if (auto good = takeText("continuing_subword_prefix", data_.continuingPrefix); !good) return good;
  auto most = fields_.integer("max_input_chars_per_word", 1, Tokenizer::kMaxTextBytes);
  if (!most) return most.error();
  data_.longestWord = most->value_or(100);
  if (data_.unknown < 0) {
    data_.unknown = vocabulary_.find(data_, "[UNK]");
    if (data_.unknown >= 0) data_.types[static_cast<size_t>(data_.unknown)] = TokenType::Unknown;
  }
  return {};
}

Result<void> HfModelReader::unigram() {
  bool fallback = false;
  data_.fuseUnknown = true;
  if (auto good = takeFlag("byte_fallback", fallback); !good) return good;
  if (auto good = takeFlag("fuse_unk", data_.fuseUnknown); !good) return good;
  auto id = fields_.integer("unk_id", 0, data_.tokens.size() - 1);
  if (!id) return id.error();
  data_.byteFallback = fallback;
  if (!*id) return {};
  data_.unknown = static_cast<int32_t>(**id);
  data_.types[static_cast<size_t>(data_.unknown)] = TokenType::Unknown;
  return {};
}

/// What the stages around the model come to, and how tokens print for them.
Result<void> HfModelReader::stages(HfPipeline pipeline) {
  for (const auto* side : {&pipeline.before, &pipeline.behind})
    for (int32_t id : *side)
      if (id >= data_.tokens.size())
        return bad(fmt::format("'post_processor' adds token {}, which is outside the vocabulary of {}", id, data_.tokens.size()));
  bool merged = data_.kind == TokenizerKind::ByteMerges, spelled = pipeline.byteLevel;
  if (merged && !pipeline.byteLevel) data_.kind = TokenizerKind::CharacterMerges;
  for (const NormalStep& step : pipeline.normal) spelled = spelled || step.kind == NormalKind::ByteLevel;
  if (pipeline.byteLevel && !merged) return bad("the pre-tokenizer is ByteLevel, which is supported with a model of type BPE");
  if (!data_.wordSuffix.empty()) data_.style = PieceStyle::WordEnds;
  else if (pipeline.blanks) data_.style = PieceStyle::Blanks;
  else if (pipeline.byteLevel) data_.style = PieceStyle::Bytes;
  else data_.style = spelled ? PieceStyle::Spelled : PieceStyle::Words;
  data_.normal = std::move(pipeline.normal);
  data_.cuts = std::move(pipeline.cuts);
  data_.rule = pipeline.rule;
  data_.spacePrefix = pipeline.prefix;
  data_.blankBeforePieces = pipeline.blankBeforePieces;
  data_.escapesBlanks = pipeline.escapes;
  data_.leadingBlank = (pipeline.blanks && pipeline.prefixed) || data_.style == PieceStyle::Words;
  if (!pipeline.before.empty()) {
    data_.bos = pipeline.before.front();
    data_.afterBos.assign(pipeline.before.begin() + 1, pipeline.before.end());
  }
  if (!pipeline.behind.empty()) {
    data_.eos = pipeline.behind.back();
    data_.beforeEos.assign(pipeline.behind.begin(), pipeline.behind.end() - 1);
  }
  data_.addBos = data_.bos >= 0;
  data_.addEos = data_.eos >= 0;
  for (int32_t id = 0; data_.byteFallback && id < data_.tokens.size(); ++id)
    if (TokenType& type = data_.types[static_cast<size_t>(id)]; type == TokenType::Normal && byteOfSpelling(data_.tokens[id]) >= 0)
      type = TokenType::Byte;
  return {};
}

}  // namespace

Result<TokenizerKind> hfModelKind(const std::string& file, const JsonValue& model, bool hasMerges) {
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: {}", escaped(file), why)); };
  const JsonValue* type = model.find("type");
  if (type == nullptr || type->as<std::nullptr_t>() != nullptr) {
    bool own = hasMerges;
    for (const char* key : {"dropout", "fuse_unk", "byte_fallback", "end_of_word_suffix", "ignore_merges"})
      own = own || model.find(key) != nullptr;
    if (model.find("unk_id") != nullptr) return TokenizerKind::Unigram;
    if (model.find("max_input_chars_per_word") != nullptr) return TokenizerKind::WordPiece;
    if (!own) return bad("'model.type' is missing, and no merges say that it is BPE");
    return TokenizerKind::ByteMerges;
  }
  const auto* name = type->as<std::string>();
  if (name == nullptr) return bad(fmt::format("'model.type' is {}, a string is needed", type->kind()));
  if (*name == "BPE") return TokenizerKind::ByteMerges;
  if (*name == "Unigram") return TokenizerKind::Unigram;
  if (*name == "WordPiece") return TokenizerKind::WordPiece;
  if (*name == "WordLevel") return TokenizerKind::WordLevel;
  return bad(fmt::format("'model.type' is '{}'; supported: BPE, Unigram, WordPiece, WordLevel", escapedShort(*name)));
}

Result<void> readHfModel(const std::string& file, const JsonValue& model, HfPipeline pipeline, const HfVocabulary& vocabulary,
                         TokenizerData& data) {
  HfModelReader reader(file, model, vocabulary, data);
  bool merges = data.kind == TokenizerKind::ByteMerges, sums = data.kind == TokenizerKind::Unigram;
  if (auto good = merges ? reader.merges() : sums ? reader.unigram() : reader.words(); !good) return good;
  return reader.stages(std::move(pipeline));
}

}  // namespace quern
