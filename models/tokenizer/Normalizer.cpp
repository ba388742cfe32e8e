// models/tokenizer/Normalizer.cpp — see Normalizer.h.
#include "models/tokenizer/Normalizer.h"

#include "models/tokenizer/ByteAlphabet.h"
#include "models/tokenizer/CharacterKinds.h"
#include "models/tokenizer/TokenizerTables.h"
#include "models/tokenizer/Utf8.h"

#include <fmt/format.h>
#include <utf8proc.h>
#include <utility>

namespace quern {

namespace {

/// `each(character, its bytes)` for all of a text.
template <class Each>
void forEach(std::string_view text, const Each& each) {
  for (size_t at = 0; at < text.size();) {
    Utf8Char c = utf8At(text, at);
    each(c, text.substr(at, c.bytes));
    at += c.bytes;
  }
}

/// The characters that `map` makes of each; those that are none stay.
template <class Map>
std::string mapped(std::string_view text, const Map& map) {
  std::string out;
  out.reserve(text.size());
  forEach(text, [&](const Utf8Char& c, std::string_view bytes) {
    if (!c.valid) out += bytes;
    else map(out, c.value);
  });
  return out;
}

std::string stripped(std::string_view text, bool left, bool right) {
  size_t begin = text.size(), end = 0;
  for (size_t at = 0; at < text.size();) {
    Utf8Char c = utf8At(text, at);
    if (!(c.valid && isWhiteSpace(c.value))) begin = std::min(begin, at), end = at + c.bytes;
    at += c.bytes;
  }
  if (begin == text.size() && (left || right)) return "";
  return std::string(text.substr(left ? begin : 0, (right ? end : text.size()) - (left ? begin : 0)));
}

/// A character of the list that neural machine translation's rules drop, or read as a blank; another as it is.
void appendNmt(std::string& out, uint32_t c) {
  if ((c >= 1 && c <= 8) || c == 0x0b || (c >= 0x0e && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f) return;
  bool blank = c == 9 || c == 10 || c == 12 || c == 13 || c == 0x1680 || (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 ||
               c == 0x2581 || c == 0xfeff || c == 0xfffd;
  appendUtf8(out, blank ? ' ' : c);
}

/// BERT's stages one after the other, as tokenizer.json has them.
std::string bert(const NormalStep& step, std::string_view text) {
  std::string out = mapped(text, [&](std::string& to, uint32_t c) {
    bool lineSpace = c == '\t' || c == '\n' || c == '\r';
    if (step.clean && (c == 0 || c == 0xfffd || (!lineSpace && isOtherCategory(c)))) return;
    if (step.clean && isWhiteSpace(c)) to += ' ';
    else appendUtf8(to, c);
  });
  if (step.chinese)
    out = mapped(out, [](std::string& to, uint32_t c) {
      if (isChinese(c)) to += ' ';
      appendUtf8(to, c);
      if (isChinese(c)) to += ' ';
    });
  if (step.stripMarks)
    out = mapped(normalForm(out, false, false), [](std::string& to, uint32_t c) {
      if (!isNonSpacingMark(c)) appendUtf8(to, c);
    });
  return step.lower ? mapped(out, appendLower) : out;
}

/// As llama.cpp: of a decomposition only the first character is left, white space goes before control characters do, all marks go.
std::string ggufBert(const NormalStep& step, std::string_view text) {
  std::string out;
  forEach(text, [&](const Utf8Char& c, std::string_view) {
    if (!c.valid) return;
    uint32_t value = step.stripMarks ? firstOfDecomposition(c.value) : c.value;
    if (isWhiteSpace(value)) out += ' ';
    else if (value == 0 || value == 0xfffd || isOtherCategory(value) || (step.stripMarks && isMark(value))) return;
    else {
      bool apart = isChinese(value) || isBertPunctuation(value);
      if (apart) out += ' ';
      appendUtf8(out, step.lower ? simpleLower(value) : value);
      if (apart) out += ' ';
    }
  });
  return out;
}

/// Each grapheme of less than 6 bytes by the shortest rule it begins with, as a whole; without one, character by character.
std::string mappedByCluster(const Charsmap& map, std::string_view text) {
  std::string out;
  auto characters = [&](std::string_view cluster) {
    forEach(cluster, [&](const Utf8Char&, std::string_view bytes) {
      Charsmap::Match match = map.shortest(bytes);
      out += match.bytes != 0 ? match.becomes : bytes;
    });
  };
  auto take = [&](std::string_view cluster) {
    Charsmap::Match match = cluster.size() < 6 ? map.shortest(cluster) : Charsmap::Match();
    if (out.size() > Normalizer::kMostBytes) return;
    if (match.bytes != 0) out += match.becomes;
    else characters(cluster);
  };
  size_t begin = 0;
  uint32_t before = 0;
  utf8proc_int32_t state = 0;
  for (size_t at = 0; at < text.size();) {
    Utf8Char c = utf8At(text, at);
    auto value = static_cast<utf8proc_int32_t>(c.valid ? c.value : 0xfffd);
    if (at != 0 && utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(before), value, &state)) {
      take(text.substr(begin, at - begin));
      begin = at;
    }
    before = static_cast<uint32_t>(value);
    at += c.bytes;
  }
  if (begin < text.size()) take(text.substr(begin));
  return out;
}

}  // namespace

Result<Normalizer> Normalizer::make(const std::vector<NormalStep>& steps) {
  auto parts = std::make_shared<std::vector<Part>>();
  for (const NormalStep& step : steps) {
    Part part;
    part.step = step;
    if (step.kind == NormalKind::Replace) {
      auto pattern = PatternCutter::make({step.pattern});
      if (!pattern) return pattern.error();
      part.pattern = std::move(*pattern);
    }
    if (step.kind == NormalKind::Charsmap || step.kind == NormalKind::SentencePiece) {
      auto map = Charsmap::make(step.text);
      if (!map) return badInput(fmt::format("the precompiled charsmap {}", map.error().message));
      part.map = std::move(*map);
    }
    std::vector<ByteTrie::Entry> kept;
    for (const std::string& text : step.kept) kept.push_back({text, 0});
    part.kept = ByteTrie(std::move(kept));
    parts->push_back(std::move(part));
  }
  Normalizer normalizer;
  normalizer.parts_ = *parts;
  normalizer.steps_ = std::move(parts);
  return normalizer;
}

/// What SentencePiece does: rules by the longest beginning, blanks merged and escaped on the way.
std::string Normalizer::spacedAndMapped(const Part& part, std::string_view text) {
  const NormalStep& step = part.step;
  std::string_view blank = step.escapes ? kBlank : std::string_view(" ");
  std::string out;
  bool afterBlank = step.mergeBlanks, prefixed = step.suffix || !step.blank, any = false, given = !text.empty();
  auto prefix = [&] {
    if (!std::exchange(prefixed, true)) out += blank;
  };
  if (given && !step.mergeBlanks && step.blankAlone) prefix();
  while (!text.empty() && out.size() <= kMostBytes) {
    Charsmap::Match match;
    if (auto [id, bytes] = part.kept.longest(text); id >= 0) match = {bytes, text.substr(0, bytes)};
    if (match.bytes == 0) match = part.map.longest(text);
    if (match.bytes == 0) {
      Utf8Char c = utf8At(text, 0);
      match = {c.bytes, c.valid ? text.substr(0, c.bytes) : std::string_view("\xef\xbf\xbd")};
    }
    std::string_view becomes = match.becomes;
    any = any || becomes != " ";
    while (afterBlank && becomes.starts_with(' ')) becomes.remove_prefix(1);
    for (char c : becomes) {
      if (c != ' ' || step.mergeBlanks) prefix();
      if (c == ' ') out += blank;
      else out += c;
    }
    if (step.mergeBlanks && !becomes.empty()) afterBlank = becomes.ends_with(' ');
    text.remove_prefix(match.bytes);
  }
  while (step.mergeBlanks && out.ends_with(blank)) out.erase(out.size() - blank.size());
  if (step.suffix && step.blank && given && (any || !step.mergeBlanks)) out += blank;
  return out;
}

Result<std::string> Normalizer::apply(const Part& part, std::string_view text) {
  const NormalStep& step = part.step;
  switch (step.kind) {
    case NormalKind::Nfc: return normalForm(text, false, true);
    case NormalKind::Nfd: return normalForm(text, false, false);
    case NormalKind::Nfkc: return normalForm(text, true, true);
    case NormalKind::Nfkd: return normalForm(text, true, false);
    case NormalKind::Lowercase: return mapped(text, appendLower);
    case NormalKind::StripAccents:
      return mapped(text, [](std::string& out, uint32_t c) {
        if (!isMark(c)) appendUtf8(out, c);
      });
    case NormalKind::Strip: return stripped(text, step.left, step.right);
    case NormalKind::Prepend: return text.empty() ? std::string() : step.text + std::string(text);
    case NormalKind::Replace: return part.pattern->replaced(text, step.text, kMostBytes);
    case NormalKind::Nmt: return mapped(text, appendNmt);
    case NormalKind::Charsmap: return mappedByCluster(part.map, text);
    case NormalKind::ByteLevel: return spellingOfBytes(text);
    case NormalKind::Bert: return bert(step, text);
    case NormalKind::GgufBert: return ggufBert(step, text);
    case NormalKind::SentencePiece: return spacedAndMapped(part, text);
  }
  return std::string(text);
}

Result<std::string> Normalizer::run(std::string_view text) const {
  std::string out(text);
  for (const Part& part : parts_) {
    auto next = apply(part, out);
    if (!next) return next;
    if (next->size() > kMostBytes)
      return badInput(fmt::format("the text has {} bytes once it is normalised, at most {} are encoded at once", next->size(), kMostBytes));
    out = std::move(*next);
  }
  return out;
}

}  // namespace quern
