// models/tokenizer/SentencePieceFile.cpp — see SentencePieceFile.h.
//
// Field numbers and defaults: sentencepiece_model.proto.
#include "models/tokenizer/SentencePieceFile.h"

#include "compiler/base/Text.h"
#include "models/tokenizer/HfBeside.h"
#include "models/tokenizer/HfClasses.h"
#include "models/tokenizer/TokenIndex.h"
#include "models/tokenizer/TokenizerTables.h"
#include "models/tokenizer/Utf8.h"
#include "models/tokenizer/WireFields.h"

#include <cmath>
#include <functional>
#include <fmt/format.h>

namespace quern {

namespace {

class PieceReader {
public:
  explicit PieceReader(const HfTokenizerTexts& texts) : texts_(texts) { data_.file = texts.tokenizerFile; }

  Result<TokenizerData> read();

private:
  Error bad(const std::string& why) const { return badInput(fmt::format("{}: {}", escaped(data_.file), why)); }
  using Each = std::function<Result<void>(const WireField& field)>;
  Result<void> fields(std::string_view message, const Each& each) const;
  Result<void> piece(std::string_view message);
  Result<void> trainer(const WireField& field);
  Result<void> normalizer(const WireField& field);
  Result<void> denormalizer(const WireField& field);
  Result<void> addBeside();
  Result<void> finish();

  const HfTokenizerTexts& texts_;
  TokenizerData data_;
  TokenIndex index_;
  NormalStep step_ = {.kind = NormalKind::SentencePiece, .blank = true, .mergeBlanks = true, .escapes = true, .blankAlone = true};
  uint64_t modelType_ = 1;
  bool byteFallback_ = false, unused_ = false;
  int32_t bos_ = 1, eos_ = 2;
};

Result<void> PieceReader::fields(std::string_view message, const Each& each) const {
  WireFields wire(message);
  for (;;) {
    auto field = wire.next();
    if (!field) return bad(field.error().message);
    if (!*field) return {};
    if (auto good = each(**field); !good) return good;
  }
}

/// SentencePiece: piece = 1, score = 2, type = 3.
Result<void> PieceReader::piece(std::string_view message) {
  std::string_view text;
  float score = 0;
  uint64_t type = 1;
  auto good = fields(message, [&](const WireField& field) -> Result<void> {
    if (field.number == 1 && field.type == WireField::Type::Bytes) text = field.bytes;
    if (field.number == 2 && field.type == WireField::Type::Fixed32) score = field.asFloat();
    if (field.number == 3 && field.type == WireField::Type::Varint) type = field.value;
    return {};
  });
  if (!good) return good;
  static constexpr TokenType kTypes[] = {TokenType::Normal,      TokenType::Normal, TokenType::Unknown, TokenType::Control,
                                         TokenType::UserDefined, TokenType::Unused, TokenType::Byte};
  int32_t id = data_.tokens.size();
  if (type < 1 || type > 6) return bad(fmt::format("piece {} is of type {}, 1 to 6 are legal", id, type));
  if (id == kMaxTokens) return bad(fmt::format("has more than {} pieces", kMaxTokens));
  if (text.empty() || text.size() > static_cast<size_t>(kMaxTokenBytes))
    return bad(fmt::format("piece {} has {} bytes, 1 to {} are legal", id, text.size(), kMaxTokenBytes));
  TokenType kind = kTypes[type];
  data_.tokens.add(text);
  data_.scores.push_back(score);
  data_.types.push_back(kind);
  unused_ = unused_ || kind == TokenType::Unused;
  if (kind == TokenType::Unknown) data_.unknown = id;
  if (kind == TokenType::Control || kind == TokenType::Unknown) data_.added.push_back({.id = id, .special = true});
  if (kind == TokenType::UserDefined) step_.kept.emplace_back(text);
  return {};
}

/// TrainerSpec: model_type = 3, treat_whitespace_as_suffix = 24, byte_fallback = 35, bos_id = 41, eos_id = 42.
Result<void> PieceReader::trainer(const WireField& field) {
  if (field.type != WireField::Type::Varint) return {};
  switch (field.number) {
    case 3: modelType_ = field.value; break;
    case 24: step_.suffix = field.value != 0; break;
    case 35: byteFallback_ = field.value != 0; break;
    case 41: bos_ = static_cast<int32_t>(field.value); break;
    case 42: eos_ = static_cast<int32_t>(field.value); break;
    default: break;
  }
  return {};
}

/// NormalizerSpec: precompiled_charsmap = 2, add_dummy_prefix = 3, remove_extra_whitespaces = 4, escape_whitespaces = 5.
Result<void> PieceReader::normalizer(const WireField& field) {
  bool number = field.type == WireField::Type::Varint;
  if (field.number == 2 && field.type == WireField::Type::Bytes) step_.text = field.bytes;
  if (field.number == 3 && number) step_.blank = field.value != 0;
  if (field.number == 4 && number) step_.mergeBlanks = field.value != 0;
  if (field.number == 5 && number) step_.escapes = field.value != 0;
  return {};
}

/// A map that decoding would apply.
Result<void> PieceReader::denormalizer(const WireField& field) {
  bool maps = field.number == 2 && field.type == WireField::Type::Bytes && !field.bytes.empty();
  return maps ? Result<void>(bad("'denormalizer_spec.precompiled_charsmap' is there, none is supported")) : Result<void>();
}

/// Tokens that files beside it add, by the ids they have there.
Result<void> PieceReader::addBeside() {
  auto config = readTokenizerConfig(texts_);
  if (!config) return config.error();
  if (auto good = checkSentencePieceClass(texts_, *config); !good) return good;
  std::vector<std::pair<AddedToken, std::string>> more;
  auto each = [&](JsonValue&& token) -> Result<void> {
    auto id = token.find("id")->integer();
    std::string_view text = namedText(token, "content");
    if (!id || *id < 0 || *id >= kMaxTokens || text.empty() || text.size() > static_cast<size_t>(kMaxTokenBytes))
      return bad("an added token has no id or no text that is legal");
    const JsonValue* special = token.find("special");
    bool control = special != nullptr && special->as<bool>() != nullptr && *special->as<bool>();
    if (*id >= data_.tokens.size()) more.emplace_back(AddedToken{.id = static_cast<int32_t>(*id), .special = control}, text);
    return {};
  };
  if (auto good = forEachAdded(texts_, *config, each); !good) return good;
  std::sort(more.begin(), more.end(), [](const auto& a, const auto& b) { return a.first.id < b.first.id; });
  for (const auto& [token, text] : more) {
    if (token.id != data_.tokens.size())
      return bad(
          fmt::format("has {} pieces, and '{}' is added as {}: ids follow each other", data_.tokens.size(), escapedShort(text), token.id));
    data_.tokens.add(text);
    data_.scores.push_back(0);
    data_.types.push_back(token.special ? TokenType::Control : TokenType::UserDefined);
    data_.added.push_back(token);
  }
  index_ = TokenIndex(data_.tokens, [](int32_t) { return true; });
  if (auto twice = index_.duplicate())
    return bad(
        fmt::format("'{}' is piece {} and piece {}, pieces differ", escapedShort(data_.tokens[twice->first]), twice->first, twice->second));
  for (auto [id, place] : {std::pair(bos_, &data_.bos), {eos_, &data_.eos}})
    if (id >= 0 && id < data_.tokens.size() && data_.types[static_cast<size_t>(id)] == TokenType::Control) *place = id;
  // What is added by SentencePiece's own option is told by whoever calls it; T5's class ends every text.
  std::string_view name = namedText(*config, "tokenizer_class");
  data_.addEos = name.starts_with("T5Tokenizer") && data_.eos >= 0;
  auto find = [&](std::string_view spelling) { return index_.find(data_.tokens, spelling); };
  return readBeside(texts_, *config, find, data_);
}

Result<void> PieceReader::finish() {
  if (data_.tokens.size() == 0) return bad("has no pieces: it is no model of SentencePiece");
  if (modelType_ != 1 && modelType_ != 2)
    return bad(fmt::format("'trainer_spec.model_type' is {}, 1 (UNIGRAM) and 2 (BPE) are supported", modelType_));
  data_.kind = modelType_ == 1 ? TokenizerKind::Unigram : TokenizerKind::Scores;
  if (unused_ && modelType_ == 2) return bad("has unused pieces in a BPE model, which are not supported");
  if (auto map = Charsmap::make(step_.text); !map)
    return bad(fmt::format("'normalizer_spec.precompiled_charsmap' {}", map.error().message));
  if (data_.kind == TokenizerKind::Scores)  // merges do not cross what a user has defined
    for (int32_t id = 0; id < data_.tokens.size(); ++id)
      if (data_.types[static_cast<size_t>(id)] == TokenType::UserDefined)
        data_.added.push_back({.id = id, .normalized = true, .asSpelled = true});
  data_.byteFallback = byteFallback_;
  data_.fuseUnknown = data_.floatSums = true;
  data_.style = PieceStyle::Blanks;
  data_.leadingBlank = step_.blank && !step_.suffix;
  data_.normal.push_back(std::move(step_));
  return addBeside();
}

/// ModelProto: pieces = 1, trainer_spec = 2, normalizer_spec = 3, self_test_data = 4, denormalizer_spec = 5.
Result<TokenizerData> PieceReader::read() {
  auto good = fields(texts_.tokenizer, [&](const WireField& field) -> Result<void> {
    if (field.number > 5 || field.type != WireField::Type::Bytes) return {};
    if (field.number == 1) return piece(field.bytes);
    if (field.number == 2) return fields(field.bytes, [&](const WireField& inner) { return trainer(inner); });
    if (field.number == 3) return fields(field.bytes, [&](const WireField& inner) { return normalizer(inner); });
    if (field.number == 5) return fields(field.bytes, [&](const WireField& inner) { return denormalizer(inner); });
    return {};
  });
  if (!good) return good.error();
  if (auto done = finish(); !done) return done.error();
  return std::move(data_);
}

}  // namespace

Result<TokenizerData> readSentencePiece(const HfTokenizerTexts& texts) { return PieceReader(texts).read(); }

}  // namespace quern
