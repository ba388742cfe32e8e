// models/tokenizer/TokenizerData.h — what a file says of its tokenizer, whatever the file: GgufTokenizer, HfTokenizer and
// SentencePieceFile make it, Tokenizer checks and runs it.
#pragma once

#include "models/tokenizer/NormalSteps.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// Which pairs of neighbours merge, and in which order.
enum class TokenizerKind : uint8_t {
  Scores,           ///< SentencePiece BPE: characters; any two whose text is a token, highest score first
  ByteMerges,       ///< byte-level BPE: bytes; the listed pairs, first listed first
  CharacterMerges,  ///< SentencePiece BPE as tokenizer.json has it: characters; the listed pairs, first listed first
  Unigram,          ///< SentencePiece's language model: UnigramModel.h
  WordPiece,        ///< the longest beginning of what is left of a word: WordPieceModel.h
  WordLevel,        ///< a piece is a token or unknown
};

enum class TokenType : uint8_t { Normal, Unknown, Control, UserDefined, Unused, Byte };

/// How text is cut into pieces before anything merges (SplitRules.h); merges never cross a cut.
enum class SplitRule : uint8_t { None, Gpt2, Llama3, Qwen2, GgufDefault, Words, NumberGroups, DigitTriples };

/// What becomes of a match and of the text between matches, as tokenizer.json has it.
enum class CutBehavior : uint8_t {
  Isolated,            ///< each is a piece
  Removed,             ///< matches are no text
  Contiguous,          ///< neighbouring matches are one piece
  MergedWithPrevious,  ///< a match ends the piece before it
  MergedWithNext,      ///< a match begins the piece behind it
};

/// Where a text gets the blank that SentencePiece puts before its first word.
enum class SpacePrefix : uint8_t {
  Never,
  EachPart,             ///< at the beginning, and behind every added token
  EachPartUnlessThere,  ///< the same, but not before a blank
  FirstUnlessThere,     ///< at the beginning of the text only, and not before a blank
};

/// What is done to every piece of the step before.
enum class CutKind : uint8_t {
  Pattern,  ///< cut by a regular expression (PatternCutter.h)
  Rule,     ///< cut by a rule
  Blank,    ///< a blank is put in front, unless it is there
  Blanks,   ///< blanks become U+2581, with one in front as `prefix` says, then cut by the rule
};

struct CutStep {
  std::string pattern;  ///< in the syntax of PCRE2
  CutBehavior behavior = CutBehavior::Isolated;
  bool invert = false;   ///< what is between matches counts as the match
  bool spelled = false;  ///< the pattern sees bytes as ByteAlphabet.h spells them
  CutKind kind = CutKind::Pattern;
  SplitRule rule = SplitRule::None;
  SpacePrefix prefix = SpacePrefix::Never;
};

/// How a token's text is printed.
enum class PieceStyle : uint8_t {
  Bytes,     ///< as it is
  Spelled,   ///< the bytes that it spells (ByteAlphabet.h)
  Blanks,    ///< U+2581 is a blank, byte tokens are their byte
  Words,     ///< a blank in front of all that do not go on a word (continuingPrefix)
  WordEnds,  ///< a blank in place of wordSuffix
};

/// A token that is looked for in the text before it is cut.
struct AddedToken {
  int32_t id = -1;
  bool special = false;     ///< control: only where the caller wants special tokens read
  bool leftStrip = false;   ///< takes the white space before it
  bool rightStrip = false;  ///< takes the white space behind it
  bool normalized = false;  ///< looked for in the normalised text, in its own normalised form
  bool singleWord = false;  ///< not inside a word
  bool asSpelled = false;   ///< `normalized`, but looked for as it is spelled
};

/// Bytes begin to end - 1 of a text.
struct TextRange {
  size_t begin = 0, end = 0;
};

/// The texts of all tokens, end to end.
class TokenTexts {
public:
  /// Room for what `other` has: large texts are not copied while they grow.
  void reserveAs(const TokenTexts& other) {
    bytes_.reserve(other.bytes_.size());
    ends_.reserve(other.ends_.size());
  }
  void add(std::string_view text) {
    bytes_ += text;
    ends_.push_back(static_cast<uint32_t>(bytes_.size()));
  }
  int32_t size() const { return static_cast<int32_t>(ends_.size()); }
  std::string_view operator[](int32_t id) const {
    auto i = static_cast<size_t>(id);
    size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(begin, ends_[i] - begin);
  }

private:
  std::string bytes_;
  std::vector<uint32_t> ends_;
};

/// The pair (left, right) becomes `merged`; its place in the list is its rank.
struct Merge {
  int32_t left = 0, right = 0, merged = 0;
};

struct TokenizerData {
  std::string file;  ///< opens every message
  TokenizerKind kind = TokenizerKind::ByteMerges;
  std::vector<NormalStep> normal;  ///< what is done to a text first
  std::vector<CutStep> cuts;       ///< before `rule`, one after the other
  SplitRule rule = SplitRule::None;
  /// The bytes a token stands for: byte-level ones are bytes already, SentencePiece's keep their U+2581 for a blank and
  /// their <0x0A> for a byte.
  TokenTexts tokens;
  std::vector<float> scores;       ///< Scores, Unigram: one each
  std::vector<double> fineScores;  ///< Unigram: the same where a file has more digits; else empty
  std::vector<TokenType> types;    ///< one each
  std::vector<Merge> merges;
  std::vector<AddedToken> added;
  int32_t bos = -1, eos = -1, unknown = -1;  ///< -1: none
  std::vector<int32_t> ends;                 ///< further ids that end a text: end of turn, of message
  std::vector<int32_t> afterBos, beforeEos;  ///< further ids that go with the two
  bool addBos = false, addEos = false;
  SpacePrefix spacePrefix = SpacePrefix::Never;
  bool blankBeforePieces = false;  ///< every piece that the cuts leave gets a blank in front, unless it begins with one
  bool ignoreMerges = false;       ///< a piece that is a token is that token, whatever the merges say
  bool fuseUnknown = false;        ///< neighbours without a token become one unknown token
  bool escapesBlanks = false;      ///< blanks become U+2581 behind `normal`
  bool leadingBlank = false;       ///< a text's first blank is the tokenizer's, not the text's
  bool wholeLines = false;         ///< a piece of line ends only that is a token is that token
  bool byteFallback = true;        ///< what has no token is written in byte tokens, where there are any
  bool floatSums = false;          ///< Unigram: as SentencePiece adds, not as those that were made after it
  PieceStyle style = PieceStyle::Bytes;
  std::string wordPrefix;        ///< WordPiece: what tokens that begin a word begin with
  std::string continuingPrefix;  ///< what tokens that go on a word begin with
  std::string wordSuffix;        ///< merges: what tokens that end a word end with
  int64_t longestWord = 0;       ///< WordPiece: characters; longer words are unknown; 0: any
};

/// Limits of what is read. The largest vocabularies in use have about 262,000 tokens of at most 1,024 bytes.
inline constexpr int64_t kMaxTokens = 1 << 20;
inline constexpr int64_t kMaxMerges = 1 << 22;
inline constexpr int64_t kMaxTokenBytes = 4096;

}  // namespace quern
