// tests/fuzz/FuzzPrompt.cpp — any bytes as a text, on a tokenizer of each kind: no crash, back again, steps in proportion.
// The first byte chooses the splitting rule and the kind's variant.
#include "models/tokenizer/Encoder.h"
#include "models/tokenizer/TextStream.h"
#include "models/tokenizer/Tokenizer.h"
#include "models/tokenizer/Utf8.h"

#include <cstdio>
#include <cstdlib>
#include <map>

using namespace quern;

static void require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

/// All bytes, pairs and fours of what prompts have, and two added tokens; everything round trips.
static TokenizerData byteLevel(SplitRule rule, bool ignoreMerges) {
  TokenizerData data;
  data.file = "bytes";
  data.rule = rule;
  data.ignoreMerges = ignoreMerges;
  std::vector<std::string> texts;
  for (int byte = 0; byte < 256; ++byte) texts.push_back(std::string(1, static_cast<char>(byte)));
  const int kPairs[][2] = {{'a', 'a'},   {' ', 'a'}, {'l', 'l'}, {'\'', 's'}, {' ', ' '}, {0xc3, 0xa9}, {'1', '2'},
                           {'\n', '\n'}, {256, 256}, {257, 256}, {260, 260},  {264, 264}, {263, 263}};
  for (auto [left, right] : kPairs) {
    data.merges.push_back({left, right, static_cast<int32_t>(texts.size())});
    texts.push_back(texts[static_cast<size_t>(left)] + texts[static_cast<size_t>(right)]);
  }
  data.types.assign(texts.size(), TokenType::Normal);
  for (bool special : {true, false}) {
    data.added.push_back({.id = static_cast<int32_t>(texts.size()), .special = special});
    texts.push_back(special ? "<s>" : "<a>");
    data.types.push_back(special ? TokenType::Control : TokenType::UserDefined);
  }
  for (const std::string& text : texts) data.tokens.add(text);
  return data;
}

/// Characters with a score or in a list, all bytes as a way out, U+2581 for blanks.
static TokenizerData characters(TokenizerKind kind, SplitRule rule) {
  TokenizerData data;
  data.file = "characters";
  data.kind = kind;
  data.rule = rule;
  data.spacePrefix = SpacePrefix::EachPart;
  data.escapesBlanks = data.leadingBlank = true;
  data.style = PieceStyle::Blanks;
  std::vector<std::string> texts = {"<unk>", "<s>"};
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(byte));
    texts.push_back(name);
  }
  for (const char* text : {"\xe2\x96\x81", "a", "b", "l", "\xc3\xa9", "aa",
                           "\xe2\x96\x81"
                           "a",
                           "ll", "\xe2\x96\x81\xe2\x96\x81", "aaaa",
                           "\xe2\x96\x81"
                           "aa"})
    texts.push_back(text);
  std::map<std::string, int32_t> ids;
  for (const std::string& text : texts) {
    auto id = static_cast<int32_t>(ids.size());
    ids[text] = id;
    data.tokens.add(text);
    data.types.push_back(id == 0 ? TokenType::Unknown : id == 1 ? TokenType::Control : id < 258 ? TokenType::Byte : TokenType::Normal);
    data.scores.push_back(static_cast<float>(-(id % 5)));
  }
  const std::pair<std::string, std::string> kPairs[] = {{"a", "a"},
                                                        {"\xe2\x96\x81", "a"},
                                                        {"l", "l"},
                                                        {"\xe2\x96\x81", "\xe2\x96\x81"},
                                                        {"aa", "aa"},
                                                        {"\xe2\x96\x81"
                                                         "a",
                                                         "a"}};
  for (const auto& [left, right] : kPairs) data.merges.push_back({ids[left], ids[right], ids[left + right]});
  data.unknown = 0;
  data.added = {{.id = 0, .special = true}, {.id = 1, .special = true, .leftStrip = true, .rightStrip = true}};
  return data;
}

/// Words of a vocabulary without bytes: whatever has no token is unknown.
static TokenizerData words(TokenizerKind kind, std::vector<NormalStep> normal) {
  TokenizerData data;
  data.file = "words";
  data.kind = kind;
  data.normal = std::move(normal);
  for (const char* text : {"<unk>", "a", "##a", "aa", "##b", "ab", "\xe2\x96\x81", "1", "##2", "\xc3\xa9"}) data.tokens.add(text);
  data.types.assign(static_cast<size_t>(data.tokens.size()), TokenType::Normal);
  data.types[0] = TokenType::Unknown;
  for (int32_t id = 0; id < data.tokens.size(); ++id) data.scores.push_back(static_cast<float>(-(id % 4)));
  data.unknown = 0;
  data.continuingPrefix = "##";
  data.style = PieceStyle::Words;
  data.longestWord = 20;
  if (kind == TokenizerKind::WordPiece) data.cuts = {{"[ \\p{P}]", CutBehavior::Removed}};
  return data;
}

static std::vector<std::shared_ptr<const TokenizerTables>> allTables() {
  std::vector<std::shared_ptr<const TokenizerTables>> out;
  for (SplitRule rule : {SplitRule::None, SplitRule::Gpt2, SplitRule::Llama3, SplitRule::Qwen2, SplitRule::GgufDefault})
    for (bool ignore : {false, true}) out.push_back(*TokenizerTables::make(byteLevel(rule, ignore)));
  out.push_back(*TokenizerTables::make(characters(TokenizerKind::Scores, SplitRule::None)));
  out.push_back(*TokenizerTables::make(characters(TokenizerKind::CharacterMerges, SplitRule::None)));
  out.push_back(*TokenizerTables::make(characters(TokenizerKind::CharacterMerges, SplitRule::Words)));
  for (SplitRule rule : {SplitRule::NumberGroups, SplitRule::DigitTriples}) out.push_back(*TokenizerTables::make(byteLevel(rule, false)));
  const NormalStep pieces = {.kind = NormalKind::SentencePiece, .blank = true, .mergeBlanks = true, .escapes = true, .blankAlone = true};
  out.push_back(*TokenizerTables::make(words(TokenizerKind::Unigram, {pieces})));
  const NormalStep bert = {.kind = NormalKind::Bert, .clean = true, .chinese = true, .stripMarks = true, .lower = true};
  out.push_back(*TokenizerTables::make(words(TokenizerKind::WordPiece, {bert})));
  out.push_back(
      *TokenizerTables::make(words(TokenizerKind::WordPiece, {{.kind = NormalKind::GgufBert, .stripMarks = true, .lower = true}})));
  out.push_back(*TokenizerTables::make(words(TokenizerKind::WordLevel, {{.kind = NormalKind::Nfkc}, {.kind = NormalKind::Nmt}})));
  TokenizerData composing = byteLevel(SplitRule::Qwen2, false);
  composing.normal = {{.kind = NormalKind::Nfc}};
  out.push_back(*TokenizerTables::make(composing));
  return out;
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, size_t count) {
  static const auto all = allTables();
  if (count == 0) return 0;
  const TokenizerTables& tables = *all[(bytes[0] >> 1) % all.size()];
  bool special = (bytes[0] & 1) != 0;
  std::string_view text(reinterpret_cast<const char*>(bytes) + 1, count - 1);
  Encoder encoder(tables, special);
  require(static_cast<bool>(encoder.add(text)), "tokenizers with all bytes take any text");
  require(encoder.steps() <= 8 * text.size() + 64, "steps are in proportion to the text");
  std::string back;
  for (int32_t id : encoder.ids()) {
    require(id >= 0 && id < tables.data.tokens.size(), "ids are within the vocabulary");
    require(special || tables.prints(id), "text never becomes a control token");
    back += tables.isBytes() ? tables.data.tokens[id] : tables.pieces[id];
  }
  if (tables.isBytes() && tables.data.normal.empty()) require(back == text, "byte-level: there and back");
  bool whole = tables.data.kind == TokenizerKind::Scores || tables.data.kind == TokenizerKind::CharacterMerges;
  if (whole && !special && tables.data.rule == SplitRule::None && !text.empty() && text.find("\xe2\x96\x81") == std::string_view::npos)
    require(back == " " + std::string(text), "SentencePiece: there and back, but for the blank in front");
  return 0;
}
