// models/tokenizer/ByteAlphabet.cpp — see ByteAlphabet.h.
#include "models/tokenizer/ByteAlphabet.h"

#include "models/tokenizer/Utf8.h"

#include <array>

namespace quern {

struct Alphabet {
  std::array<uint16_t, 256> points{};  // byte to code point
  std::array<int16_t, 0x144> bytes{};  // code point to byte, -1
};

static constexpr Alphabet kAlphabet = [] {
  Alphabet a;
  a.bytes.fill(-1);
  uint16_t next = 0x100;
  for (uint16_t byte = 0; byte < 256; ++byte) {
    bool itself = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    a.points[byte] = itself ? byte : next++;
    a.bytes[a.points[byte]] = static_cast<int16_t>(byte);
  }
  return a;
}();

std::optional<std::string> bytesOfSpelling(std::string_view spelling) {
  std::string out;
  out.reserve(spelling.size());
  for (size_t at = 0; at < spelling.size();) {
    Utf8Char c = utf8At(spelling, at);
    if (!c.valid || c.value >= kAlphabet.bytes.size() || kAlphabet.bytes[c.value] < 0) return std::nullopt;
    out += static_cast<char>(kAlphabet.bytes[c.value]);
    at += c.bytes;
  }
  return out;
}

std::string spellingOfBytes(std::string_view bytes) {
  std::string out;
  for (char byte : bytes) appendUtf8(out, kAlphabet.points[static_cast<unsigned char>(byte)]);
  return out;
}

}  // namespace quern
