// models/tokenizer/PatternCutter.cpp — see PatternCutter.h.
#include "models/tokenizer/PatternCutter.h"

#include "compiler/base/Text.h"
#include "models/tokenizer/Utf8.h"

#include <fmt/format.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace quern {

/// Bytes [begin, end) of a text, a match or what is between two.
struct PatternCutter::Span {
  size_t begin, end;
  bool isMatch;
};

static std::string reasonOf(int code) {
  PCRE2_UCHAR text[128];
  int length = pcre2_get_error_message(code, text, sizeof text);
  return length > 0 ? std::string(reinterpret_cast<const char*>(text)) : fmt::format("error {}", code);
}

Result<PatternCutter> PatternCutter::make(const CutStep& step) {
  constexpr size_t kMostBytes = 8192;
  auto bad = [&](const std::string& why) {
    return badInput(fmt::format("the pattern '{}' {}", escaped(step.pattern.substr(0, 1000)), why));
  };
  if (step.pattern.size() > kMostBytes) return bad(fmt::format("has {} bytes, at most {} are read", step.pattern.size(), kMostBytes));
  if (firstBadUtf8(step.pattern) != std::string_view::npos) return bad("is not UTF-8");
  std::unique_ptr<pcre2_compile_context, void (*)(pcre2_compile_context*)> context(pcre2_compile_context_create(nullptr),
                                                                                   pcre2_compile_context_free);
  if (!context) return machineLacks("out of memory");
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  size_t at = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(step.pattern.data()), step.pattern.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_UTF_CHECK, &error, &at, context.get());
  if (code == nullptr) return bad(fmt::format("is wrong at byte {}: {}", at, reasonOf(error)));
  PatternCutter cutter;
  cutter.step_ = step;
  cutter.code_ =
      std::shared_ptr<const void>(code, [](const void* own) { pcre2_code_free(static_cast<pcre2_code*>(const_cast<void*>(own))); });
  pcre2_match_context* limits = pcre2_match_context_create(nullptr);
  if (limits == nullptr) return machineLacks("out of memory");
  pcre2_set_match_limit(limits, kMostSteps);
  pcre2_set_heap_limit(limits, kMostKiB);
  cutter.limits_ = std::shared_ptr<const void>(
      limits, [](const void* own) { pcre2_match_context_free(static_cast<pcre2_match_context*>(const_cast<void*>(own))); });
  return cutter;
}

Result<std::vector<PatternCutter::Span>> PatternCutter::matches(std::string_view text) const {
  const auto* code = static_cast<const pcre2_code*>(code_.get());
  std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> data(pcre2_match_data_create_from_pattern(code, nullptr),
                                                                      pcre2_match_data_free);
  if (!data) return machineLacks("out of memory");
  std::vector<Span> spans;
  size_t done = 0;
  for (size_t from = 0; from < text.size();) {
    int found = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, PCRE2_NO_UTF_CHECK, data.get(),
                            static_cast<pcre2_match_context*>(const_cast<void*>(limits_.get())));
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0)
      return badInput(
          fmt::format("the pattern '{}' takes too long for this text: {}", escaped(step_.pattern.substr(0, 1000)), reasonOf(found)));
    const size_t* place = pcre2_get_ovector_pointer(data.get());
    size_t begin = std::max(place[0], done), end = std::max(place[1], begin);  // \K moves the beginning
    if (begin > done) spans.push_back({done, begin, step_.invert});
    if (end > begin) spans.push_back({begin, end, !step_.invert});
    done = end;
    from = end > begin ? end : std::min(text.size(), std::max(end, from) + (end < text.size() ? utf8At(text, end).bytes : 1));
  }
  if (done < text.size()) spans.push_back({done, text.size(), step_.invert});
  return spans;
}

/// What a text's bytes stand for: itself where it is UTF-8, else with U+FFFD for each byte that is not, and where each byte of that was.
struct CleanText {
  std::string bytes;
  std::vector<size_t> places;  ///< one more than bytes; empty: the same

  explicit CleanText(std::string_view text) {
    if (firstBadUtf8(text) == std::string_view::npos) return;
    for (size_t at = 0; at < text.size();) {
      Utf8Char c = utf8At(text, at);
      bytes += c.valid ? text.substr(at, c.bytes) : std::string_view("\xef\xbf\xbd");
      while (places.size() < bytes.size()) places.push_back(at);
      at += c.bytes;
    }
    places.push_back(text.size());
  }
};

Result<void> PatternCutter::cut(std::string_view text, const OnPiece& onPiece) const {
  CleanText clean(text);
  bool same = clean.places.empty();
  auto spans = matches(same ? text : std::string_view(clean.bytes));
  if (!spans) return spans.error();
  auto place = [&](size_t at) { return same ? at : clean.places[at]; };
  CutBehavior behavior = step_.behavior;
  for (size_t i = 0; i < spans->size();) {
    const Span& first = (*spans)[i];
    size_t last = i;
    auto isMatch = [&](size_t at) { return at < spans->size() && (*spans)[at].isMatch; };
    if (behavior == CutBehavior::Contiguous)
      while (last + 1 < spans->size() && isMatch(last + 1) == first.isMatch) ++last;
    if (behavior == CutBehavior::MergedWithPrevious && !first.isMatch && isMatch(i + 1)) ++last;
    if (behavior == CutBehavior::MergedWithNext && first.isMatch && i + 1 < spans->size() && !isMatch(i + 1)) ++last;
    bool gone = behavior == CutBehavior::Removed && first.isMatch;
    size_t begin = place(first.begin), end = place((*spans)[last].end);
    if (!gone)
      if (auto good = onPiece(text.substr(begin, end - begin)); !good) return good;
    i = last + 1;
  }
  return {};
}

Result<std::string> PatternCutter::replaced(std::string_view text, std::string_view with, size_t most) const {
  CleanText clean(text);
  bool same = clean.places.empty();
  auto spans = matches(same ? text : std::string_view(clean.bytes));
  if (!spans) return spans.error();
  auto place = [&](size_t at) { return same ? at : clean.places[at]; };
  std::string out;
  out.reserve(text.size());
  for (const Span& span : *spans) {
    if (out.size() > most) break;
    out += span.isMatch ? with : text.substr(place(span.begin), place(span.end) - place(span.begin));
  }
  return out;
}

std::string literalPattern(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80;
    out += plain ? std::string(1, c) : fmt::format("\\x{{{:x}}}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace quern
