// models/tokenizer/GgufTokenizer.cpp — see GgufTokenizer.h.
#include "models/tokenizer/GgufTokenizer.h"

#include "compiler/base/Text.h"
#include "models/tokenizer/ByteAlphabet.h"
#include "models/tokenizer/GgufSplits.h"
#include "models/tokenizer/MergeNames.h"
#include "models/tokenizer/TokenizerTables.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace quern {

namespace {

/// Fills a TokenizerData key by key and remembers the first thing that was wrong.
class Reader {
public:
  explicit Reader(const Metadata& metadata) : metadata_(metadata) { data_.file = metadata.file(); }

  Result<TokenizerData> read();

private:
  /// The value of a getter, `fallback` where the key is absent; notes an error.
  template <class T, class Fallback>
  T taken(const Result<std::optional<T>>& value, Fallback fallback) {
    if (value) return value->value_or(static_cast<T>(fallback));
    if (!error_) error_ = value.error();
    return static_cast<T>(fallback);
  }
  void fail(const std::string& why) {
    if (!error_) error_ = badInput(fmt::format("{}: {}", escaped(data_.file), why));
  }
  int32_t id(const std::string& name, int32_t fallback) {
    int32_t size = data_.tokens.size();
    return static_cast<int32_t>(taken(metadata_.integer("tokenizer.ggml." + name, 0, size - 1), fallback < size ? fallback : -1));
  }
  bool flag(const std::string& name, bool fallback) { return taken(metadata_.boolean("tokenizer.ggml." + name), fallback); }

  bool isMerges() const { return data_.kind == TokenizerKind::ByteMerges || data_.kind == TokenizerKind::CharacterMerges; }
  void readModel();
  void readRule();
  void readNormal();
  void readTokens();
  void readTypes();
  void stripAsPhi3();
  void readScores();
  void readMerges();
  void spellBytes();
  void readSpecial();
  std::string bytesOf(const std::string& key);

  const Metadata& metadata_;
  TokenizerData data_;
  TokenIndex index_;
  GgufSplit split_;
  std::optional<Error> error_;
};

void Reader::readModel() {
  if (!metadata_.has("tokenizer.ggml.model")) return fail("metadata 'tokenizer.ggml.model' is missing: the file has no tokenizer");
  std::string_view model = taken(metadata_.string("tokenizer.ggml.model"), "");
  if (model == "llama") data_.kind = TokenizerKind::Scores;
  else if (model == "gpt2") data_.kind = TokenizerKind::ByteMerges;
  else if (model == "gemma4") data_.kind = TokenizerKind::CharacterMerges;
  else if (model == "bert") data_.kind = TokenizerKind::WordPiece;
  else if (model == "t5") data_.kind = TokenizerKind::Unigram;
  else fail(fmt::format("metadata 'tokenizer.ggml.model' is '{}'; supported: llama, gpt2, gemma4, bert, t5", escapedShort(model)));
}

void Reader::readRule() {
  if (!isMerges()) return;
  std::string_view pre = taken(metadata_.string("tokenizer.ggml.pre"), "default");
  if (data_.kind == TokenizerKind::CharacterMerges) pre = "gemma4";
  if (findGgufSplit(pre, split_)) {
    if (split_.characters) data_.kind = TokenizerKind::CharacterMerges;
    data_.escapesBlanks = split_.characters;
    data_.wholeLines = split_.wholeLines;
    data_.cuts = split_.cuts;
    data_.rule = split_.rule;
    return;
  }
  std::vector<std::string> names = ggufSplitNames();
  fail(fmt::format("metadata 'tokenizer.ggml.pre' is '{}'{}; supported: {}", escapedShort(pre), didYouMean(pre, names), join(names, ", ")));
}

void Reader::readTokens() {
  auto tokens = metadata_.strings("tokenizer.ggml.tokens");
  if (!tokens) {
    error_ = tokens.error();
    return;
  }
  if (tokens->empty())
    return fail(metadata_.has("tokenizer.ggml.tokens") ? "metadata 'tokenizer.ggml.tokens' is empty"
                                                       : "metadata 'tokenizer.ggml.tokens' is missing");
  if (tokens->size() > static_cast<size_t>(kMaxTokens))
    return fail(fmt::format("metadata 'tokenizer.ggml.tokens' has {} tokens, at most {} are read", tokens->size(), kMaxTokens));
  for (size_t id = 0; id < tokens->size(); ++id) {
    if ((*tokens)[id].size() > static_cast<size_t>(kMaxTokenBytes))
      return fail(fmt::format("metadata 'tokenizer.ggml.tokens' has {} bytes at {}, at most {} are read", (*tokens)[id].size(), id,
                              kMaxTokenBytes));
    data_.tokens.add((*tokens)[id]);
  }
  index_ = TokenIndex(data_.tokens, [&](int32_t id) { return !data_.tokens[id].empty(); });
  if (auto twice = index_.duplicate())
    fail(fmt::format("metadata 'tokenizer.ggml.tokens' has '{}' at {} and at {}, tokens differ", escapedShort(data_.tokens[twice->first]),
                     twice->first, twice->second));
}

void Reader::readTypes() {
  auto size = static_cast<size_t>(data_.tokens.size());
  auto types = metadata_.integers("tokenizer.ggml.token_type");
  if (!types) {
    error_ = types.error();
    return;
  }
  if (!types->empty() && types->size() != size)
    return fail(fmt::format("metadata 'tokenizer.ggml.token_type' has {} values, {} are needed, one per token", types->size(), size));
  data_.types.assign(size, TokenType::Normal);
  for (size_t i = 0; i < types->size(); ++i) {
    static constexpr TokenType kTypes[] = {TokenType::Normal,      TokenType::Normal, TokenType::Unknown, TokenType::Control,
                                           TokenType::UserDefined, TokenType::Unused, TokenType::Byte};
    int32_t type = (*types)[i];
    if (type < 0 || type > 6) return fail(fmt::format("metadata 'tokenizer.ggml.token_type' has {} at {}, 0 to 6 are legal", type, i));
    data_.types[i] = kTypes[type];
  }
  for (int32_t id = 0; id < data_.tokens.size(); ++id) {
    TokenType& type = data_.types[static_cast<size_t>(id)];
    if (data_.tokens[id].empty()) type = TokenType::Unused;
    // Files without types, and some with them, leave the byte tokens ordinary.
    bool bytes = data_.kind == TokenizerKind::Scores || data_.kind == TokenizerKind::CharacterMerges;
    if (bytes && type == TokenType::Normal && byteOfSpelling(data_.tokens[id]) >= 0) type = TokenType::Byte;
    if (type == TokenType::Control || type == TokenType::Unknown || type == TokenType::UserDefined)
      data_.added.push_back({.id = id, .special = type != TokenType::UserDefined});
  }
}

/// Converters do not say that Phi-3's control tokens take the white space behind them: the model's name does.
void Reader::stripAsPhi3() {
  std::string name(taken(metadata_.string("general.name"), ""));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name.find("phi-3") == std::string::npos && name.find("phi3") == std::string::npos) return;
  for (AddedToken& token : data_.added) {
    std::string_view text = data_.tokens[token.id];
    token.rightStrip = text != "<unk>" && text != "<s>" && text != "<|endoftext|>";
  }
}

void Reader::readScores() {
  if (data_.kind != TokenizerKind::Scores && data_.kind != TokenizerKind::Unigram) return;
  auto scores = metadata_.floats("tokenizer.ggml.scores");
  if (!scores) {
    error_ = scores.error();
    return;
  }
  auto size = static_cast<size_t>(data_.tokens.size());
  if (!metadata_.has("tokenizer.ggml.scores")) scores->assign(size, 0.0f);
  if (scores->size() != size)
    return fail(fmt::format("metadata 'tokenizer.ggml.scores' has {} values, {} are needed, one per token", scores->size(), size));
  data_.scores = std::move(*scores);
}

void Reader::readMerges() {
  if (!isMerges()) return;
  auto merges = metadata_.strings("tokenizer.ggml.merges");
  if (!merges) {
    error_ = merges.error();
    return;
  }
  if (!metadata_.has("tokenizer.ggml.merges"))
    return fail("metadata 'tokenizer.ggml.merges' is missing, tokenizer.ggml.model gpt2 needs it");
  if (merges->size() > static_cast<size_t>(kMaxMerges))
    return fail(fmt::format("metadata 'tokenizer.ggml.merges' has {} merges, at most {} are read", merges->size(), kMaxMerges));
  MergeNames names(escaped(data_.file) + ": metadata 'tokenizer.ggml.merges'", data_.tokens, index_);
  for (std::string_view merge : *merges)
    if (auto good = names.add(merge); !good) {
      error_ = good.error();
      return;
    }
  auto resolved = names.finish();
  if (resolved) data_.merges = std::move(*resolved);
  else error_ = resolved.error();
}

/// Byte-level tokens become the bytes they spell; added ones, and those with a character outside the alphabet, are spelled
/// as they are.
void Reader::spellBytes() {
  if (data_.kind != TokenizerKind::ByteMerges) return;
  TokenTexts bytes;
  bytes.reserveAs(data_.tokens);
  for (int32_t id = 0; id < data_.tokens.size(); ++id) {
    TokenType type = data_.types[static_cast<size_t>(id)];
    bool plain = type == TokenType::Normal || type == TokenType::Unused;
    auto spelled = plain ? bytesOfSpelling(data_.tokens[id]) : std::nullopt;
    bytes.add(spelled ? std::string_view(*spelled) : data_.tokens[id]);
  }
  data_.tokens = std::move(bytes);
}

/// What llama.cpp takes for absent keys, by tokenizer.ggml.model.
struct Defaults {
  TokenizerKind kind;
  int32_t bos, eos, unknown;
  bool addBos, addEos;
};
constexpr Defaults kDefaults[] = {{TokenizerKind::Scores, 1, 2, 0, true, false},
                                  {TokenizerKind::WordPiece, 101, 102, 100, true, true},
                                  {TokenizerKind::Unigram, -1, 1, 2, false, true},
                                  {TokenizerKind::ByteMerges, -1, -1, -1, false, false},
                                  {TokenizerKind::CharacterMerges, -1, -1, -1, false, false}};

void Reader::readSpecial() {
  const Defaults& given =
      *std::find_if(std::begin(kDefaults), std::end(kDefaults), [&](const Defaults& d) { return d.kind == data_.kind; });
  bool words = data_.kind == TokenizerKind::WordPiece;
  data_.bos = id("bos_token_id", given.bos);
  data_.eos = id(words ? "seperator_token_id" : "eos_token_id", given.eos);
  data_.unknown = id("unknown_token_id", given.unknown);
  for (const char* name : {"eot_token_id", "eom_token_id"})
    if (int32_t end = id(name, -1); end >= 0) data_.ends.push_back(end);
  bool addBos = flag("add_bos_token", (given.addBos || split_.addBos) && data_.bos >= 0);
  bool addEos = flag("add_eos_token", given.addEos && data_.eos >= 0);
  // BERT's two stand around a text whatever the file says, and Gemma 4's first one in front of it.
  data_.addBos = words || split_.wholeLines ? data_.bos >= 0 : addBos;
  data_.addEos = words ? data_.eos >= 0 : addEos;
  data_.fuseUnknown = data_.kind == TokenizerKind::Scores || data_.kind == TokenizerKind::Unigram;
  data_.ignoreMerges = split_.ignoreMerges;
}

/// Blanks, and what becomes of characters before they are cut.
void Reader::readNormal() {
  bool prefix = flag("add_space_prefix", data_.kind == TokenizerKind::Scores);
  if (data_.kind != TokenizerKind::ByteMerges) data_.style = PieceStyle::Blanks;
  if (data_.kind == TokenizerKind::Scores) {
    data_.escapesBlanks = true;
    if (prefix) data_.spacePrefix = SpacePrefix::EachPart;
    data_.leadingBlank = prefix;
  } else if (data_.kind == TokenizerKind::Unigram) {
    bool merges = flag("remove_extra_whitespaces", false);
    NormalStep step = {.kind = NormalKind::SentencePiece, .blank = prefix || merges, .mergeBlanks = merges, .escapes = true};
    step.text = bytesOf("tokenizer.ggml.precompiled_charsmap");
    data_.leadingBlank = step.blank;
    data_.normal.push_back(std::move(step));
    data_.byteFallback = false;
  } else if (data_.kind == TokenizerKind::WordPiece) {
    bool lower = flag("normalizer.lowercase", true);
    data_.normal.push_back({.kind = NormalKind::GgufBert, .stripMarks = flag("normalizer.strip_accents", lower), .lower = lower});
    data_.cuts.push_back({R"( )", CutBehavior::Removed});
    data_.wordPrefix = kBlank;
    data_.leadingBlank = true;
  }
}

/// The bytes of an array of them; none where the key is absent.
std::string Reader::bytesOf(const std::string& key) {
  auto found = metadata_.values().find(key);
  if (found == metadata_.values().end()) return "";
  const auto* numbers = std::get_if<MetadataNumbers>(&found->second);
  if (numbers != nullptr && numbers->bytesEach == 1 && numbers->kind != MetadataNumbers::Kind::Bool) return std::string(numbers->bytes);
  fail(fmt::format("metadata '{}' is something else than an array of bytes, which is needed", key));
  return "";
}

Result<TokenizerData> Reader::read() {
  using Step = void (Reader::*)();
  for (Step step : {&Reader::readModel, &Reader::readRule, &Reader::readTokens, &Reader::readTypes, &Reader::stripAsPhi3,
                    &Reader::readScores, &Reader::readMerges, &Reader::spellBytes, &Reader::readNormal, &Reader::readSpecial}) {
    (this->*step)();
    if (error_) return *error_;
  }
  return std::move(data_);
}

}  // namespace

Result<TokenizerData> readGgufTokenizer(const Metadata& metadata) { return Reader(metadata).read(); }

}  // namespace quern
