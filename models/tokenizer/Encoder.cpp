// models/tokenizer/Encoder.cpp — see Encoder.h.
#include "models/tokenizer/Encoder.h"

#include "compiler/base/Text.h"
#include "models/tokenizer/ByteAlphabet.h"
#include "models/tokenizer/CharacterKinds.h"
#include "models/tokenizer/SplitRules.h"
#include "models/tokenizer/Utf8.h"

#include <algorithm>
#include <fmt/format.h>
#include <utf8proc.h>

namespace quern {

/// The character that ends at `end` > 0.
static Utf8Char utf8Before(std::string_view text, size_t end) {
  for (size_t bytes = 1; bytes <= std::min<size_t>(end, 4); ++bytes)
    if (Utf8Char c = utf8At(text.substr(0, end), end - bytes); c.valid && c.bytes == bytes) return c;
  return {static_cast<unsigned char>(text[end - 1]), 1, false};
}

static bool isWhite(const Utf8Char& c) { return c.valid && isWhiteSpace(c.value); }

/// \w: letters, marks, digits, connectors, joiners.
static bool isWordChar(const Utf8Char& c) {
  if (!c.valid) return false;
  auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c.value));
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) || category == UTF8PROC_CATEGORY_PC || c.value == 0x200c ||
         c.value == 0x200d;
}

static size_t whiteSpaceEnd(std::string_view text, size_t at) {
  for (; at < text.size(); at += utf8At(text, at).bytes)
    if (!isWhite(utf8At(text, at))) break;
  return at;
}

static size_t whiteSpaceBegin(std::string_view text, size_t end, size_t low) {
  while (end > low) {
    Utf8Char c = utf8Before(text, end);
    if (!isWhite(c)) break;
    end -= c.bytes;
  }
  return std::max(end, low);
}

std::vector<AddedMatch> Encoder::find(std::string_view text, const AddedTokens& added, const Ranges& within) const {
  if (!parseSpecial_ || !within) return added.find(text, parseSpecial_);
  std::vector<AddedMatch> all = added.find(text, false);
  for (const TextRange& range : *within)
    for (AddedMatch match : added.find(text.substr(range.begin, range.end - range.begin), true)) {
      match.begin += static_cast<uint32_t>(range.begin);
      all.push_back(match);
    }
  // The longest of those that begin at a place; from the text's end to its beginning.
  std::sort(all.begin(), all.end(),
            [](const AddedMatch& a, const AddedMatch& b) { return a.begin != b.begin ? a.begin > b.begin : a.length > b.length; });
  auto same = [](const AddedMatch& a, const AddedMatch& b) { return a.begin == b.begin; };
  all.erase(std::unique(all.begin(), all.end(), same), all.end());
  return all;
}

Result<std::vector<TextRange>> Encoder::normalizedRanges(std::string_view part, size_t offset, size_t normalizedBytes) const {
  std::vector<TextRange> out;
  auto place = [&](size_t at) -> Result<size_t> {
    if (at <= offset) return size_t{0};
    if (at - offset >= part.size()) return normalizedBytes;
    auto before = tables_.normalized(part.substr(0, at - offset));
    if (!before) return before.error();
    return before->size();
  };
  for (const TextRange& each : *within_) {
    if (each.end <= offset || each.begin >= offset + part.size()) continue;
    auto begin = place(each.begin), end = place(each.end);
    if (!begin) return begin.error();
    if (!end) return end.error();
    out.push_back({*begin, *end});
  }
  return out;
}

/// `onText(part, offset)` for what is between the added tokens of `text`.
template <class OnText>
Result<void> Encoder::addParts(std::string_view text, const AddedTokens& added, const Ranges& within, const OnText& onText) {
  std::vector<AddedMatch> matches = find(text, added, within);
  size_t done = 0, scanned = 0;
  for (size_t i = matches.size(); i-- > 0;) {
    size_t begin = matches[i].begin, end = begin + matches[i].length;
    if (begin < scanned) continue;  // inside the match before
    scanned = end;
    const AddedToken& token = tables_.data.added[static_cast<size_t>(matches[i].place)];
    bool inWord = (begin > 0 && isWordChar(utf8Before(text, begin))) || (end < text.size() && isWordChar(utf8At(text, end)));
    if (token.singleWord && inWord) continue;
    if (token.leftStrip) begin = whiteSpaceBegin(text, begin, std::min(done, begin));
    if (token.rightStrip) end = whiteSpaceEnd(text, std::max(end, done));
    if (begin > done)
      if (auto good = onText(text.substr(done, begin - done), done); !good) return good;
    ids_.push_back(token.id);
    done = std::max(done, end);
  }
  return done < text.size() ? onText(text.substr(done), done) : Result<void>();
}

Result<void> Encoder::add(std::string_view text) {
  return addParts(text, tables_.addedToText, within_, [&](std::string_view part, size_t offset) -> Result<void> {
    auto normalized = tables_.normalized(part);
    if (!normalized) return normalized.error();
    std::vector<TextRange> ranges;
    if (within_ && !tables_.addedToNormalized.empty()) {
      auto placed = normalizedRanges(part, offset, normalized->size());
      if (!placed) return placed.error();
      ranges = std::move(*placed);
    }
    return addParts(*normalized, tables_.addedToNormalized, within_ ? Ranges(ranges) : Ranges(),
                    [&](std::string_view rest, size_t at) { return addNormalized(rest, offset + at == 0); });
  });
}

Result<void> Encoder::addNormalized(std::string_view part, bool first) {
  std::string_view blank = tables_.isBytes() ? " " : kBlank;
  SpacePrefix prefix = tables_.data.spacePrefix;
  bool wanted = prefix == SpacePrefix::EachPartUnlessThere || (prefix == SpacePrefix::FirstUnlessThere && first);
  std::string prefixed;
  if (wanted && !part.starts_with(blank)) {
    prefixed = std::string(blank) + std::string(part);
    part = prefixed;
  }
  return addCut(part, 0, first);
}

Result<void> Encoder::addCut(std::string_view part, size_t step, bool first) {
  if (step < tables_.data.cuts.size()) return addStep(part, step, first);
  std::string prefixed;
  if (tables_.data.blankBeforePieces && !part.starts_with(' ')) part = prefixed = " " + std::string(part);
  Splitter splitter(tables_.data.rule, part);
  for (std::string_view piece; splitter.next(piece);)
    if (auto good = addPiece(piece); !good) return good;
  return {};
}

Result<void> Encoder::addStep(std::string_view part, size_t step, bool first) {
  const CutStep& cut = tables_.data.cuts[step];
  std::string changed;
  if (cut.kind == CutKind::Pattern) {
    if (!cut.spelled)
      return tables_.cutters[step].cut(
          part, [&](std::string_view piece) { return addCut(piece, step + 1, first && piece.data() == part.data()); });
    changed = spellingOfBytes(part);
    return tables_.cutters[step].cut(changed, [&](std::string_view piece) { return addCut(*bytesOfSpelling(piece), step + 1, false); });
  }
  if (cut.kind == CutKind::Blank || cut.kind == CutKind::Blanks) {
    bool escapes = cut.kind == CutKind::Blanks;
    std::string_view blank = escapes ? kBlank : std::string_view(" ");
    for (char c : part)
      if (c == ' ') changed += blank;
      else changed += c;
    bool wanted = cut.prefix == SpacePrefix::EachPartUnlessThere || (cut.prefix == SpacePrefix::FirstUnlessThere && first);
    if (wanted && !changed.starts_with(blank)) changed.insert(0, blank);
    part = changed;
  }
  Splitter splitter(cut.rule, part);
  for (std::string_view piece; splitter.next(piece);)
    if (auto good = addCut(piece, step + 1, first && piece.data() == part.data()); !good) return good;
  return {};
}

Result<void> Encoder::addPiece(std::string_view piece) {
  if (tables_.data.ignoreMerges || (tables_.data.wholeLines && piece.find_first_not_of('\n') == std::string_view::npos)) {
    if (int32_t id = tables_.index.find(tables_.data.tokens, piece); id >= 0) {
      ids_.push_back(id);
      return {};
    }
  }
  work_.clear();
  switch (tables_.data.kind) {
    case TokenizerKind::ByteMerges: return addBytes(piece);
    case TokenizerKind::CharacterMerges: return addCharacters(piece);
    case TokenizerKind::Scores: return addScored(piece);
    case TokenizerKind::Unigram: return addUnigram(piece);
    case TokenizerKind::WordPiece:
    case TokenizerKind::WordLevel: return addWord(piece);
  }
  return {};
}

void Encoder::takeSymbols() {
  for (const MergeSymbol& symbol : work_.symbols)
    if (symbol.length != 0) ids_.push_back(symbol.id);
}

Result<void> Encoder::addUnknown(std::string_view missing, uint32_t begin) {
  int32_t unknown = tables_.data.unknown;
  if (unknown < 0) {
    Utf8Char c = utf8At(missing, 0);
    std::string name = c.valid && !tables_.isBytes() ? fmt::format("character U+{:04X}", c.value)
                                                     : fmt::format("byte 0x{:02x}", static_cast<unsigned char>(missing[0]));
    return badInput(fmt::format("{}: no token stands for {} of the text, and none for unknown ones", escaped(tables_.data.file), name));
  }
  bool fuses = tables_.data.fuseUnknown && !work_.symbols.empty() && work_.symbols.back().id == unknown;
  if (fuses) work_.symbols.back().length += static_cast<uint32_t>(missing.size());
  else work_.add(begin, static_cast<uint32_t>(missing.size()), unknown);
  return {};
}

Result<void> Encoder::addBytes(std::string_view piece) {
  for (uint32_t i = 0; i < piece.size(); ++i) {
    int32_t id = tables_.byteIds[static_cast<unsigned char>(piece[i])];
    if (tables_.hasAffixes()) id = tables_.affixed(piece.substr(i, 1), i == 0, i + 1 == piece.size());
    if (id >= 0) work_.add(i, 1, id);
    else if (auto good = addUnknown(piece.substr(i, 1), i); !good) return good;
  }
  tables_.pairs.merge(work_);
  takeSymbols();
  return {};
}

Result<void> Encoder::addFallback(std::string_view piece, uint32_t begin, uint32_t length) {
  std::string_view missing = piece.substr(begin, length);
  for (char c : missing)
    if (tables_.byteIds[static_cast<unsigned char>(c)] < 0) return addUnknown(missing, begin);
  for (uint32_t i = 0; i < length; ++i) work_.add(begin + i, 1, tables_.byteIds[static_cast<unsigned char>(missing[i])]);
  return {};
}

Result<void> Encoder::addCharacters(std::string_view piece) {
  for (uint32_t at = 0; at < piece.size();) {
    uint32_t length = utf8At(piece, at).bytes;
    std::string_view character = piece.substr(at, length);
    int32_t id = tables_.hasAffixes() ? tables_.affixed(character, at == 0, at + length == piece.size())
                                      : tables_.index.find(tables_.data.tokens, character);
    if (id >= 0) work_.add(at, length, id);
    else if (auto good = addFallback(piece, at, length); !good) return good;
    at += length;
  }
  tables_.pairs.merge(work_);
  takeSymbols();
  return {};
}

Result<void> Encoder::addScored(std::string_view piece) {
  for (uint32_t at = 0; at < piece.size();) {
    uint32_t length = utf8At(piece, at).bytes;
    work_.add(at, length, tables_.index.find(tables_.data.tokens, piece.substr(at, length)));
    at += length;
  }
  tables_.scores.merge(work_, piece, tables_.data.tokens, tables_.index);
  return takeMerged(piece);
}

Result<void> Encoder::takeMerged(std::string_view piece) {
  // Characters that are neither tokens nor part of one: their bytes.
  std::vector<MergeSymbol> merged = std::move(work_.symbols);
  work_.symbols.clear();
  for (const MergeSymbol& symbol : merged) {
    if (symbol.length == 0) continue;
    if (symbol.id >= 0) work_.add(symbol.begin, symbol.length, symbol.id);
    else if (auto good = addFallback(piece, symbol.begin, symbol.length); !good) return good;
  }
  takeSymbols();
  return {};
}

Result<void> Encoder::addUnigram(std::string_view piece) {
  tables_.unigram.cut(work_, piece);
  return takeMerged(piece);
}

Result<void> Encoder::addWord(std::string_view piece) {
  int32_t whole = tables_.data.kind == TokenizerKind::WordLevel ? tables_.index.find(tables_.data.tokens, piece) : -1;
  if (whole >= 0) {
    ids_.push_back(whole);
    return {};
  }
  if (tables_.data.kind == TokenizerKind::WordPiece && tables_.words.cut(ids_, piece)) return {};
  if (auto good = addUnknown(piece, 0); !good) return good;
  takeSymbols();
  return {};
}

}  // namespace quern
