// models/tokenizer/PatternCutter.h — text cut at the matches of a regular expression that SplitRules.h has no rule for.
#pragma once

#include "compiler/base/Result.h"
#include "models/tokenizer/TokenizerData.h"

#include <functional>
#include <memory>
#include <string_view>

namespace quern {

/// One CutStep, compiled by PCRE2: \p{...} are Unicode's properties, ^ and $ are at lines' ends as in Oniguruma, which tokenizer.json is
/// written for. A byte that is not UTF-8 counts as U+FFFD.
///
/// Threads  any number may cut at once.
/// Cost     what the pattern costs; a match that takes more than kMostSteps is an error.
class PatternCutter {
public:
  PatternCutter() = default;
  /// Errors   BadInput quoting the pattern: what PCRE2 says of it.
  static Result<PatternCutter> make(const CutStep& step);

  /// Hands out the pieces of `text` from left to right, none of them empty; an error of `onPiece` ends it.
  /// Errors   BadInput: the pattern takes too long for this text.
  using OnPiece = std::function<Result<void>(std::string_view piece)>;
  Result<void> cut(std::string_view text, const OnPiece& onPiece) const;

  /// `text` with `with` in place of every match; more than `most` bytes are left unfinished.
  /// Errors   as cut.
  Result<std::string> replaced(std::string_view text, std::string_view with, size_t most) const;

  static constexpr uint32_t kMostSteps = 1'000'000, kMostKiB = 32 << 10;

private:
  struct Span;
  Result<std::vector<Span>> matches(std::string_view text) const;

  CutStep step_;
  std::shared_ptr<const void> code_, limits_;
};

/// A pattern in the syntax of Oniguruma as PCRE2 needs it, with the same meaning.
/// Errors   BadInput: something that cannot be said so, by name.
Result<std::string> pcrePattern(std::string_view oniguruma);

/// A text that stands for itself, as a pattern.
std::string literalPattern(std::string_view text);

/// Unicode's White_Space as the inside of a class of PCRE2, whose own \s has U+180E too.
inline constexpr std::string_view kWhiteSpaceClass =
    R"(\t\n\x{0b}\f\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";

}  // namespace quern
