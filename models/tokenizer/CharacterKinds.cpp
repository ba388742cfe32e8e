// models/tokenizer/CharacterKinds.cpp — see CharacterKinds.h.
#include "models/tokenizer/CharacterKinds.h"

#include "models/tokenizer/Utf8.h"

#include <utf8proc.h>

namespace quern {

static utf8proc_category_t categoryOf(uint32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

bool isWhiteSpace(uint32_t c) {
  if (c < 0x80) return (c >= 9 && c <= 13) || c == 32;
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
         c == 0x205f || c == 0x3000;
}

bool isMark(uint32_t c) {
  auto category = categoryOf(c);
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME;
}

bool isNonSpacingMark(uint32_t c) { return categoryOf(c) == UTF8PROC_CATEGORY_MN; }

bool isOtherCategory(uint32_t c) {
  auto category = categoryOf(c);
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CO ||
         category == UTF8PROC_CATEGORY_CS;
}

bool isBertPunctuation(uint32_t c) {
  auto category = categoryOf(c);
  if (category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO) return true;
  return c < 0x7f && category >= UTF8PROC_CATEGORY_SM && category <= UTF8PROC_CATEGORY_SO;
}

bool isChinese(uint32_t c) {
  // The last block but two begins at U+2B820; the rule has U+2B920.
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
         (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) || (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

uint32_t firstOfDecomposition(uint32_t c) {
  std::string one;
  appendUtf8(one, c);
  return utf8At(normalForm(one, false, false), 0).value;
}

uint32_t simpleLower(uint32_t c) { return static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))); }

void appendLower(std::string& out, uint32_t c) {
  if (c == 0x130) out += "i\xcc\x87";
  else appendUtf8(out, simpleLower(c));
}

}  // namespace quern
