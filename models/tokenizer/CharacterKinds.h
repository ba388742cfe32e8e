// models/tokenizer/CharacterKinds.h — what kind of character a code point is, where rules of tokenizers ask for more than SplitRules.h.
#pragma once

#include <cstdint>
#include <string>

namespace quern {

bool isWhiteSpace(uint32_t c);       ///< Unicode's White_Space property: 25 characters
bool isMark(uint32_t c);             ///< Mn, Mc, Me
bool isNonSpacingMark(uint32_t c);   ///< Mn
bool isOtherCategory(uint32_t c);    ///< Cc, Cf, Co, Cs
bool isBertPunctuation(uint32_t c);  ///< P*, and what ASCII has besides: $ + < = > ^ ` | ~
bool isChinese(uint32_t c);          ///< the blocks that BERT puts blanks around
uint32_t firstOfDecomposition(uint32_t c);
uint32_t simpleLower(uint32_t c);                ///< one character for one
void appendLower(std::string& out, uint32_t c);  ///< U+0130 becomes two

}  // namespace quern
