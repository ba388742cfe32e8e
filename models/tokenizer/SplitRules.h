// models/tokenizer/SplitRules.h — text cut into the pieces that merge on their own, as the regular expressions of the
// tokenizers cut it, without a regular expression engine.
#pragma once

#include "models/tokenizer/TokenizerData.h"

#include <cstdint>
#include <string_view>

namespace quern {

/// How the rules see a character. Space is Unicode's White_Space property, which is what \s means in them.
enum class CharClass : uint8_t { Letter, Number, Space, Newline, Other };  ///< Newline: CR and LF, white space too
CharClass charClass(uint32_t codePoint);
inline bool isSpace(CharClass c) { return c == CharClass::Space || c == CharClass::Newline; }

/// Hands out the pieces of a text from left to right; together they are the text.
///
/// The rules, of which the first alternative that matches at a place wins:
///
///   Gpt2         's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
///   Llama3       (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
///   Qwen2        as Llama3 with \p{N} in place of \p{N}{1,3}
///   GgufDefault  four cuts, each inside the pieces of the one before: [\p{P}\$\+<=>\^~\|]+, then Gpt2, then \p{N}+, then
///                [0-9][0-9][0-9]; what is between matches is a piece
///   Words        a piece begins at each U+2581
///   NumberGroups a run of \p{N} is cut in threes from its end; its first group, one to three of them, stays with what is before it
///   DigitTriples a piece begins where a multiple of three [0-9] goes on to their run's end
///   None         the whole text
///
/// (?i:...) ignores case as Unicode folds it: U+017F, the long s, is an s.
/// A byte that is not UTF-8 is a character of class Other.
/// Cost     O(n): no character is looked at more than a fixed number of times. No allocation.
class Splitter {
public:
  Splitter(SplitRule rule, std::string_view text) : rule_(rule), text_(text) {}

  /// The next piece; false at the end.
  bool next(std::string_view& piece);

  uint64_t charsSeen() const { return charsSeen_; }  ///< how often a character was looked at

private:
  struct Seen {
    CharClass kind = CharClass::Other;
    uint32_t value = 0, bytes = 0;  ///< bytes 0: the end
  };
  using Want = bool (*)(const Seen& seen);

  Seen see(size_t at);
  size_t skip(size_t at, Want want);
  size_t contraction(size_t at, bool anyCase);
  size_t spaces(size_t at, bool newlinesFirst);
  size_t gpt2(size_t at, bool numbers);
  size_t llama3(size_t at, int digits);
  size_t ggufDefault(size_t at);
  size_t ggufNumber(size_t at);
  size_t numberGroups(size_t at);
  size_t digitTriples(size_t at);

  SplitRule rule_;
  std::string_view text_;
  size_t at_ = 0;
  size_t end_ = 0;        ///< where the rule at work believes the text to end
  size_t regionEnd_ = 0;  ///< GgufDefault: the end of what the first cut left; groups: of the run of numbers at work
  uint64_t charsSeen_ = 0;
};

}  // namespace quern
