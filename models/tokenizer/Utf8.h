// models/tokenizer/Utf8.h — UTF-8, read from bytes that need not be UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace quern {

/// A character, or one byte that belongs to none.
struct Utf8Char {
  uint32_t value = 0;  ///< the code point; the byte where !valid
  uint32_t bytes = 1;
  bool valid = false;
};

/// The length that `lead` announces: 1 to 4, 0 where no sequence begins with it.
inline uint32_t utf8Length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;  // continuation bytes; C0 and C1 begin only overlong forms
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 0;
}

/// Whether `byte` may stand at `place` (1 to 3) of the sequence that begins with `lead`: no overlong forms, no surrogates,
/// nothing above U+10FFFF.
inline bool utf8Continues(unsigned char lead, uint32_t place, unsigned char byte) {
  if (place > 1) return (byte & 0xc0) == 0x80;
  unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  return byte >= low && byte <= high;
}

/// The character at `at` < text.size().
inline Utf8Char utf8At(std::string_view text, size_t at) {
  auto lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80) return {lead, 1, true};
  uint32_t length = utf8Length(lead);
  if (length == 0 || text.size() - at < length) return {lead, 1, false};
  uint32_t value = lead & (0x7fu >> length);
  for (uint32_t place = 1; place < length; ++place) {
    auto byte = static_cast<unsigned char>(text[at + place]);
    if (!utf8Continues(lead, place, byte)) return {lead, 1, false};
    value = value << 6 | (byte & 0x3fu);
  }
  return {value, length, true};
}

inline void appendUtf8(std::string& out, uint32_t value) {
  auto tail = [&](int shift) { out += static_cast<char>(0x80 | (value >> shift & 0x3f)); };
  if (value < 0x80) {
    out += static_cast<char>(value);
  } else if (value < 0x800) {
    out += static_cast<char>(0xc0 | value >> 6);
    tail(0);
  } else if (value < 0x10000) {
    out += static_cast<char>(0xe0 | value >> 12);
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xf0 | value >> 18);
    tail(12), tail(6), tail(0);
  }
}

/// The offset of the first byte that is not UTF-8; npos where all is.
inline size_t firstBadUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    Utf8Char c = utf8At(text, at);
    if (!c.valid) return at;
    at += c.bytes;
  }
  return std::string_view::npos;
}

/// `text` in a normalisation form of Unicode: C (composed), D, KC, KD (compatible); bytes that are not UTF-8 stay as they are.
/// Cost   O(n log n) however long a run of combining marks is.
std::string normalForm(std::string_view text, bool compatible, bool composed);

}  // namespace quern
