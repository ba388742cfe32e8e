// models/tokenizer/NormalSteps.h — what is done to a text before it is cut, as files say it. How it is done: Normalizer.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace quern {

enum class NormalKind : uint8_t {
  Nfc,
  Nfd,
  Nfkc,
  Nfkd,
  Lowercase,
  StripAccents,   ///< combining marks go
  Strip,          ///< white space at the ends goes
  Prepend,        ///< `text` goes in front of what is not empty
  Replace,        ///< matches of `pattern` become `text`
  Nmt,            ///< control characters go, odd blanks become blanks
  Charsmap,       ///< `text` is a map of SentencePiece, applied cluster by cluster
  ByteLevel,      ///< bytes become what ByteAlphabet.h spells
  Bert,           ///< by its flags: clean, split Chinese characters, strip marks, lower case
  GgufBert,       ///< the same as llama.cpp does it
  SentencePiece,  ///< a map and blanks at once, by its flags
};

struct NormalStep {
  NormalKind kind = NormalKind::Nfc;
  std::string text, pattern;
  bool left = false, right = false;                                        ///< Strip
  bool clean = false, chinese = false, stripMarks = false, lower = false;  ///< Bert
  /// SentencePiece: a blank in front (or behind, `suffix`); runs of blanks are one, none at the ends; blanks become U+2581;
  /// texts of blanks alone get one too.
  bool blank = false, suffix = false, mergeBlanks = false, escapes = false, blankAlone = false;
  std::vector<std::string> kept;  ///< SentencePiece: texts that stay as they are
};

}  // namespace quern
