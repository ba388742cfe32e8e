// models/tokenizer/SplitRules.cpp — see SplitRules.h.
#include "models/tokenizer/SplitRules.h"

#include "models/tokenizer/CharacterKinds.h"
#include "models/tokenizer/Utf8.h"

#include <algorithm>
#include <utf8proc.h>

namespace quern {

CharClass charClass(uint32_t c) {
  if (c == '\r' || c == '\n') return CharClass::Newline;
  if (isWhiteSpace(c)) return CharClass::Space;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return CharClass::Letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return CharClass::Number;
    default: return CharClass::Other;
  }
}

/// [\p{P}\$\+<=>\^~\|]
static bool isPunctuation(uint32_t c) {
  if (c == '$' || c == '+' || c == '<' || c == '=' || c == '>' || c == '^' || c == '~' || c == '|') return true;
  auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

Splitter::Seen Splitter::see(size_t at) {
  ++charsSeen_;
  if (at >= end_) return {};
  Utf8Char c = utf8At(text_.substr(0, end_), at);
  return {c.valid ? charClass(c.value) : CharClass::Other, c.valid ? c.value : UINT32_MAX, c.bytes};
}

size_t Splitter::skip(size_t at, Want want) {
  for (;;) {
    Seen seen = see(at);
    if (seen.bytes == 0 || !want(seen)) return at;
    at += seen.bytes;
  }
}

static bool isLetter(const auto& seen) { return seen.kind == CharClass::Letter; }
static bool isNumber(const auto& seen) { return seen.kind == CharClass::Number; }
static bool isOther(const auto& seen) { return seen.kind == CharClass::Other; }
static bool isNewline(const auto& seen) { return seen.kind == CharClass::Newline; }
static bool isAnySpace(const auto& seen) { return isSpace(seen.kind); }

/// The end of a contraction at `at`, or `at`.
size_t Splitter::contraction(size_t at, bool anyCase) {
  if (see(at).value != '\'') return at;
  auto letter = [&](const Seen& seen) -> uint32_t {
    if (!anyCase || seen.bytes == 0) return seen.value;
    if (seen.value == 0x17f) return 's';
    return seen.value >= 'A' && seen.value <= 'Z' ? seen.value + 32 : seen.value;
  };
  Seen first = see(at + 1);
  uint32_t a = letter(first);
  if (first.bytes == 0) return at;
  size_t behind = at + 1 + first.bytes;
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return behind;
  if (a != 'r' && a != 'v' && a != 'l') return at;
  Seen second = see(behind);
  uint32_t wanted = a == 'l' ? 'l' : 'e';
  return second.bytes != 0 && letter(second) == wanted ? behind + second.bytes : at;
}

/// \s+(?!\S)|\s+ at white space; with `newlinesFirst`, \s*[\r\n]+ before them.
size_t Splitter::spaces(size_t at, bool newlinesFirst) {
  size_t last = at, lastNewline = at, end = at, count = 0;
  for (Seen seen = see(end); seen.bytes != 0 && isAnySpace(seen); seen = see(end)) {
    last = end;
    end += seen.bytes;
    ++count;
    if (isNewline(seen)) lastNewline = end;
  }
  if (newlinesFirst && lastNewline != at) return lastNewline;
  return end == end_ || count == 1 ? end : last;
}

size_t Splitter::gpt2(size_t at, bool numbers) {
  if (size_t end = contraction(at, false); end != at) return end;
  Seen first = see(at);
  size_t from = at;
  if (first.value == ' ') {
    Seen second = see(at + 1);
    if (second.bytes != 0 && !isAnySpace(second)) first = second, from = at + 1;
  }
  switch (first.kind) {
    case CharClass::Letter: return skip(from, isLetter);
    case CharClass::Number: return numbers ? skip(from, isNumber) : from == at ? ggufNumber(at) : from;
    case CharClass::Other: return skip(from, isOther);
    default: return spaces(at, false);
  }
}

size_t Splitter::llama3(size_t at, int digits) {
  if (size_t end = contraction(at, true); end != at) return end;
  Seen first = see(at);
  if (isLetter(first)) return skip(at, isLetter);
  if (isNumber(first)) {
    size_t end = at + first.bytes;
    for (int i = 1; i < digits; ++i) {
      Seen seen = see(end);
      if (seen.bytes == 0 || !isNumber(seen)) break;
      end += seen.bytes;
    }
    return end;
  }
  if (isNewline(first)) return spaces(at, true);
  Seen second = see(at + first.bytes);
  if (second.bytes != 0 && isLetter(second)) return skip(at + first.bytes, isLetter);
  bool blankThenOther = first.value == ' ' && second.bytes != 0 && isOther(second);
  if (isOther(first) || blankThenOther) return skip(skip(blankThenOther ? at + 1 : at, isOther), isNewline);
  return spaces(at, true);
}

/// At a number: three ASCII digits, or the numbers before the next such three.
size_t Splitter::ggufNumber(size_t at) {
  auto isDigits = [&](size_t from) {
    for (size_t i = from; i < from + 3; ++i)
      if (i >= end_ || text_[i] < '0' || text_[i] > '9') return false;
    return true;
  };
  if (isDigits(at)) return at + 3;
  size_t end = at;
  for (Seen seen = see(end); seen.bytes != 0 && isNumber(seen) && !isDigits(end); seen = see(end)) end += seen.bytes;
  return end;
}

size_t Splitter::ggufDefault(size_t at) {
  auto punctuation = [](const Seen& seen) { return seen.value != UINT32_MAX && isPunctuation(seen.value); };
  if (at >= regionEnd_) {
    end_ = text_.size();
    Seen first = see(at);
    if (punctuation(first)) return regionEnd_ = skip(at, punctuation);
    regionEnd_ = skip(at, [](const Seen& seen) { return seen.value == UINT32_MAX || !isPunctuation(seen.value); });
  }
  end_ = regionEnd_;
  return gpt2(at, false);
}

size_t Splitter::numberGroups(size_t at) {
  auto three = [&](size_t from, size_t count) {
    for (; count > 0; --count) from += see(from).bytes;
    return from;
  };
  if (at < regionEnd_) return three(at, 3);
  size_t begin = skip(at, [](const Seen& seen) { return !isNumber(seen); }), count = 0;
  for (regionEnd_ = begin;; ++count) {
    Seen seen = see(regionEnd_);
    if (seen.bytes == 0 || !isNumber(seen)) break;
    regionEnd_ += seen.bytes;
  }
  return three(begin, count == 0 ? 0 : (count - 1) % 3 + 1);
}

size_t Splitter::digitTriples(size_t at) {
  auto digit = [](const Seen& seen) { return seen.value >= '0' && seen.value <= '9'; };
  if (at < regionEnd_ && at + 3 < regionEnd_) return at + 3;
  for (size_t from = std::max(at, regionEnd_); from < end_;) {
    size_t begin = skip(from, [](const Seen& seen) { return seen.value < '0' || seen.value > '9'; });
    regionEnd_ = skip(begin, digit);
    size_t count = regionEnd_ - begin, first = begin + count % 3;
    from = regionEnd_;
    if (count < 3) continue;
    if (first > at) return first;
    return count > 3 ? first + 3 : digitTriples(first);
  }
  return end_;
}

bool Splitter::next(std::string_view& piece) {
  if (at_ >= text_.size()) return false;
  end_ = text_.size();
  size_t end = end_;
  switch (rule_) {
    case SplitRule::None: break;
    case SplitRule::Gpt2: end = gpt2(at_, true); break;
    case SplitRule::Llama3: end = llama3(at_, 3); break;
    case SplitRule::Qwen2: end = llama3(at_, 1); break;
    case SplitRule::GgufDefault: end = ggufDefault(at_); break;
    case SplitRule::NumberGroups: end = numberGroups(at_); break;
    case SplitRule::DigitTriples: end = digitTriples(at_); break;
    case SplitRule::Words: end = std::min(text_.find("\xe2\x96\x81", at_ + 1), end_); break;
  }
  piece = text_.substr(at_, end - at_);
  at_ = end;
  return true;
}

}  // namespace quern
