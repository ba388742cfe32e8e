// models/tokenizer/TokenizerTables.cpp — see TokenizerTables.h.
#include "models/tokenizer/TokenizerTables.h"

#include "compiler/base/Check.h"
#include "compiler/base/Text.h"
#include "models/tokenizer/ByteAlphabet.h"
#include "models/tokenizer/Utf8.h"

#include <cmath>
#include <fmt/format.h>

namespace quern {

/// The automaton takes about 20 bytes of memory for each; real vocabularies have less than 0.2 MiB of added tokens.
static constexpr int64_t kMaxAddedBytes = 1 << 20;
/// A ByteTrie takes 12 for each; the 250,000 tokens of XLM-RoBERTa have 2 MiB.
static constexpr int64_t kMaxTreeBytes = 16 << 20;

/// Control tokens that end a text, a turn or a message, by their text: files often name but one of them.
static constexpr std::string_view kEndTexts[] = {
    "<|endoftext|>",
    "<|end_of_text|>",
    "</s>",
    "<eos>",
    "[EOS]",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "<EOT>",
    "[EOT]",
    "<\xef\xbd\x9c"
    "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>",
};

int byteOfSpelling(std::string_view s) {
  auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  if (s.size() != 6 || !s.starts_with("<0x") || s[5] != '>' || digit(s[3]) < 0 || digit(s[4]) < 0) return -1;
  return digit(s[3]) * 16 + digit(s[4]);
}

Result<std::string> TokenizerTables::normalized(std::string_view part) const {
  if (!normalizer.empty()) {
    auto done = normalizer.run(part);
    if (!done || !data.escapesBlanks) return done;
    return escapedBlanks(*done);
  }
  return data.escapesBlanks ? escapedBlanks(part) : std::string(part);
}

std::string TokenizerTables::escapedBlanks(std::string_view part) const {
  std::string out;
  out.reserve(part.size() + 3);
  if (data.spacePrefix == SpacePrefix::EachPart && !part.empty()) out += kBlank;
  for (char c : part)
    if (c == ' ') out += kBlank;
    else out += c;
  return out;
}

int32_t TokenizerTables::affixed(std::string_view text, bool opens, bool closes) const {
  std::string whole(opens ? "" : data.continuingPrefix);
  whole += text;
  if (closes) whole += data.wordSuffix;
  return index.find(data.tokens, whole);
}

Result<void> TokenizerTables::check() const {
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: {}", escaped(data.file), why)); };
  int32_t size = data.tokens.size();
  if (size == 0) return bad("the tokenizer has no tokens");
  if (size > kMaxTokens) return bad(fmt::format("the tokenizer has {} tokens, at most {} are read", size, kMaxTokens));
  QUERN_CHECK(data.types.size() == static_cast<size_t>(size));
  for (int32_t id = 0; id < size; ++id)
    if (data.tokens[id].size() > static_cast<size_t>(kMaxTokenBytes))
      return bad(fmt::format("token {} has {} bytes, at most {} are read", id, data.tokens[id].size(), kMaxTokenBytes));
  if (auto good = checkScores(); !good) return good;
  for (const Merge& merge : data.merges)
    QUERN_CHECK(std::min({merge.left, merge.right, merge.merged}) >= 0 && std::max({merge.left, merge.right, merge.merged}) < size);
  if (data.addBos && data.bos < 0) return bad("begin-of-text is to be added, but no token is it");
  if (data.addEos && data.eos < 0) return bad("end-of-text is to be added, but no token is it");
  return checkAdded();
}

Result<void> TokenizerTables::checkScores() const {
  bool sums = data.kind == TokenizerKind::Unigram;
  if (data.kind != TokenizerKind::Scores && !sums) return {};
  QUERN_CHECK(data.scores.size() == static_cast<size_t>(data.tokens.size()));
  for (int32_t id = 0; id < data.tokens.size(); ++id) {
    float score = data.scores[static_cast<size_t>(id)];
    if (std::isnan(score) || (sums && std::isinf(score)))
      return badInput(fmt::format("{}: the score of token {} is {}, a number is needed", escaped(data.file), id,
                                  std::isnan(score) ? "NaN" : "infinite"));
  }
  return {};
}

Result<void> TokenizerTables::checkAdded() const {
  bool tree = data.kind == TokenizerKind::Unigram || data.kind == TokenizerKind::WordPiece;
  int64_t bytes = 0, all = 0;
  for (int32_t id = 0; tree && id < data.tokens.size(); ++id) all += static_cast<int64_t>(data.tokens[id].size());
  if (all > kMaxTreeBytes)
    return badInput(fmt::format("{}: the tokens have {} bytes, at most {} are read", escaped(data.file), all, kMaxTreeBytes));
  for (const AddedToken& token : data.added) {
    QUERN_CHECK(token.id >= 0 && token.id < data.tokens.size());
    bytes += static_cast<int64_t>(data.tokens[token.id].size());
  }
  if (bytes <= kMaxAddedBytes) return {};
  return badInput(fmt::format("{}: the added tokens have {} bytes, at most {} are read", escaped(data.file), bytes, kMaxAddedBytes));
}

Result<void> TokenizerTables::addBytes() {
  byteIds.fill(-1);
  for (int32_t id = 0; id < data.tokens.size(); ++id) {
    std::string_view token = data.tokens[id];
    int byte = -1;
    if (isBytes() && token.size() == 1 && mergeable(id)) byte = static_cast<unsigned char>(token[0]);
    if (!isBytes() && data.byteFallback && (type(id) == TokenType::Byte || type(id) == TokenType::UserDefined))
      byte = byteOfSpelling(token);
    if (byte < 0 && !isBytes() && data.byteFallback && type(id) == TokenType::Byte)
      return badInput(
          fmt::format("{}: token {} '{}' is a byte token, <0x00> to <0xFF> are legal", escaped(data.file), id, escapedShort(token)));
    if (byte >= 0 && byteIds[static_cast<size_t>(byte)] < 0) byteIds[static_cast<size_t>(byte)] = id;
  }
  return {};
}

void TokenizerTables::addEnds() {
  ends = data.ends;
  if (data.eos >= 0) ends.push_back(data.eos);
  for (AddedToken& token : data.added) {
    if (std::find(std::begin(kEndTexts), std::end(kEndTexts), data.tokens[token.id]) == std::end(kEndTexts)) continue;
    ends.push_back(token.id);
    token.special = true;
    data.types[static_cast<size_t>(token.id)] = TokenType::Control;
  }
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
}

std::string TokenizerTables::printed(int32_t id) const {
  std::string_view token = data.tokens[id];
  std::string piece;
  if (!prints(id)) return piece;
  bool plain = mergeable(id);
  switch (data.style) {
    case PieceStyle::Bytes: return std::string(token);
    case PieceStyle::Spelled: return bytesOfSpelling(token).value_or(std::string(token));
    case PieceStyle::Words:
      if (!data.continuingPrefix.empty() && token.starts_with(data.continuingPrefix) && plain)
        return std::string(token.substr(data.continuingPrefix.size()));
      if (!data.wordPrefix.empty() && plain && !token.starts_with(data.wordPrefix)) return std::string(token);
      if (plain) token.remove_prefix(data.wordPrefix.size());
      return " " + std::string(token);
    case PieceStyle::WordEnds:
      if (!plain || !token.ends_with(data.wordSuffix)) return std::string(token);
      return std::string(token.substr(0, token.size() - data.wordSuffix.size())) + " ";
    case PieceStyle::Blanks: break;
  }
  if (type(id) == TokenType::Byte) return std::string(1, static_cast<char>(byteOfSpelling(token)));
  for (size_t at = 0; at < token.size();) {
    bool blank = token.substr(at).starts_with(kBlank);
    piece += blank ? ' ' : token[at];
    at += blank ? kBlank.size() : 1;
  }
  return piece;
}

void TokenizerTables::addPieces() {
  pieces.reserveAs(data.tokens);
  for (int32_t id = 0; id < data.tokens.size(); ++id) {
    std::string piece = printed(id);
    pieces.add(piece);
    longestPiece = std::max(longestPiece, static_cast<int64_t>(piece.size()));
  }
}

Result<void> TokenizerTables::addCutters() {
  cutters.resize(data.cuts.size());
  for (size_t i = 0; i < data.cuts.size(); ++i) {
    if (data.cuts[i].kind != CutKind::Pattern) continue;
    auto cutter = PatternCutter::make(data.cuts[i]);
    if (!cutter) return Error{cutter.error().code, fmt::format("{}: {}", escaped(data.file), cutter.error().message)};
    cutters[i] = std::move(*cutter);
  }
  auto made = Normalizer::make(data.normal);
  if (!made) return Error{made.error().code, fmt::format("{}: {}", escaped(data.file), made.error().message)};
  normalizer = std::move(*made);
  return {};
}

Result<void> TokenizerTables::addPatterns() {
  std::vector<AddedPattern> asText, asNormalized;
  for (size_t place = 0; place < data.added.size(); ++place) {
    const AddedToken& token = data.added[place];
    std::string text(data.tokens[token.id]);
    if (text.empty()) continue;
    if (token.normalized && !token.asSpelled) {
      auto done = normalized(text);
      if (!done) return Error{done.error().code, fmt::format("{}: {}", escaped(data.file), done.error().message)};
      text = std::move(*done);
      if (text.empty()) continue;
    }
    (token.normalized ? asNormalized : asText).push_back({std::move(text), static_cast<int32_t>(place), token.special});
  }
  addedToText = AddedTokens(std::move(asText));
  addedToNormalized = AddedTokens(std::move(asNormalized));
  return {};
}

void TokenizerTables::makeModel() {
  uint32_t longest = 0;
  for (int32_t id = 0; id < data.tokens.size(); ++id)
    if (mergeable(id)) longest = std::max(longest, static_cast<uint32_t>(data.tokens[id].size()));
  if (data.kind == TokenizerKind::Scores) scores = SentencePieceMerger(data.scores, longest);
  if (data.kind == TokenizerKind::Unigram) unigram = UnigramModel(data);
  if (data.kind == TokenizerKind::WordPiece) words = WordPieceModel(data);
  // Text never becomes a control token by merging, whatever the list says.
  std::erase_if(data.merges, [&](const Merge& merge) { return !prints(merge.merged); });
  pairs = BytePairMerger(data.merges, data.tokens.size());
  data.merges = {};
}

Result<std::shared_ptr<const TokenizerTables>> TokenizerTables::make(TokenizerData given) {
  auto tables = std::make_shared<TokenizerTables>();
  tables->data = std::move(given);
  const TokenizerData& data = tables->data;
  if (auto good = tables->check(); !good) return good.error();
  tables->addEnds();
  if (auto good = tables->addBytes(); !good) return good.error();
  if (auto good = tables->addCutters(); !good) return good.error();
  tables->index = TokenIndex(data.tokens, [&](int32_t id) { return !data.tokens[id].empty() && tables->mergeable(id); });
  tables->makeModel();
  tables->addPieces();
  if (auto good = tables->addPatterns(); !good) return good.error();
  return std::shared_ptr<const TokenizerTables>(std::move(tables));
}

}  // namespace quern
