// compiler/op/WholeBlock.cpp — stored blocks in whole numbers, as ElementType.h has them: wholeBlock and blockValues of BlockValues.h.
#include "compiler/base/Check.h"
#include "compiler/base/Half.h"
#include "compiler/op/BlockFormat.h"
#include "compiler/op/BlockValues.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <tuple>
#include <utility>

namespace quern {

namespace {

float halfFrom(const std::byte* at) {
  uint16_t bits = 0;
  std::memcpy(&bits, at, 2);
  return floatOfHalf(bits);
}

int byteFrom(const std::byte* bytes, int i) { return static_cast<int>(bytes[i]); }
int signedFrom(const std::byte* bytes, int i) { return static_cast<int8_t>(bytes[i]); }
int bitFrom(const std::byte* bytes, int byte, int bit) { return (byteFrom(bytes, byte) >> bit) & 1; }
/// Of the two halves of sixteen bytes.
int nibbleFrom(const std::byte* bytes, int i) { return (byteFrom(bytes, i % 16) >> (i < 16 ? 0 : 4)) & 15; }
/// Of the K types: 32 bytes hold two times 32 nibbles, or four times 32 pairs of bits.
int nibbleOf256(const std::byte* bytes, int i) { return (byteFrom(bytes, 32 * (i / 64) + i % 32) >> (4 * (i / 32 % 2))) & 15; }
int pairOf256(const std::byte* bytes, int i) { return (byteFrom(bytes, 32 * (i / 128) + i % 32) >> (2 * (i / 32 % 4))) & 3; }

/// Scale and minimum of sub-block `s` of a q4_K or q5_K.
std::pair<int, int> scaleAndLeast(const std::byte* scales, int s) {
  auto byte = [&](int i) { return byteFrom(scales, i); };
  if (s < 4) return {byte(s) & 63, byte(4 + s) & 63};
  return {(byte(4 + s) & 15) | (byte(s - 4) >> 6 << 4), (byte(4 + s) >> 4) | (byte(s) >> 6 << 4)};
}

/// q - 32.
int codeOfQ6K(const std::byte* block, int i) {
  int half = i / 128, group = i / 32 % 4, within = i % 32;
  int low = (byteFrom(block, 64 * half + 32 * (group % 2) + within) >> (4 * (group / 2))) & 15;
  return (low | (((byteFrom(block, 128 + 32 * half + within) >> (2 * group)) & 3) << 4)) - 32;
}

template <class Code>
void fillCodes(WholeBlock& whole, int count, const Code& code) {
  for (int i = 0; i < count; ++i) whole.q[i] = code(i);
}

/// Blocks of 32, whose d stands first.
void wholeOf32(ElementType type, const std::byte* block, WholeBlock& whole) {
  const BlockFormat& format = blockFormatOf(type);
  const std::byte* rest = block + (format.power ? 1 : 2);
  if (format.minima == Minima::Added) whole.dmin = -halfFrom(rest), std::fill_n(whole.least, 1, 1), rest += 2;
  if (type == ElementType::Q8_0) return fillCodes(whole, 32, [&](int i) { return signedFrom(rest, i); });
  const std::byte* fifth = rest;
  if (format.high == 1) rest += 4;
  fillCodes(whole, 32, [&](int i) {
    int code = nibbleFrom(rest, i) | (format.high == 1 ? bitFrom(fifth, i / 8, i % 8) << 4 : 0);
    return format.table != nullptr ? (*format.table)[static_cast<size_t>(code)] : code - format.bias;
  });
}

void wholeQ4K(const std::byte* block, bool fifth, WholeBlock& whole) {
  whole.dmin = halfFrom(block + 2);
  for (int s = 0; s < 8; ++s) std::tie(whole.scale[s], whole.least[s]) = scaleAndLeast(block + 4, s);
  const std::byte *high = block + 16, *low = high + (fifth ? 32 : 0);
  fillCodes(whole, 256, [&](int i) { return nibbleOf256(low, i) | (fifth ? bitFrom(high, i % 32, i / 32) << 4 : 0); });
}

void wholeQ2K(const std::byte* block, WholeBlock& whole) {
  whole.d = halfFrom(block + 80), whole.dmin = halfFrom(block + 82);
  for (int s = 0; s < 16; ++s) whole.scale[s] = byteFrom(block, s) & 15, whole.least[s] = byteFrom(block, s) >> 4;
  fillCodes(whole, 256, [&](int i) { return pairOf256(block + 16, i); });
}

void wholeQ3K(const std::byte* block, WholeBlock& whole) {
  const std::byte* scales = block + 96;
  whole.d = halfFrom(block + 108);
  for (int s = 0; s < 16; ++s) {
    int low = (byteFrom(scales, s % 8) >> (s < 8 ? 0 : 4)) & 15, upper = (byteFrom(scales, 8 + s % 4) >> (2 * (s / 4))) & 3;
    whole.scale[s] = (low | (upper << 4)) - 32;
  }
  fillCodes(whole, 256, [&](int i) { return (pairOf256(block + 32, i) | bitFrom(block, i % 32, i / 32) << 2) - 4; });
}

void wholeIq4Xs(const std::byte* block, WholeBlock& whole) {
  const CodeTable& table = *blockFormatOf(ElementType::IQ4_XS).table;
  for (int s = 0; s < 8; ++s) {
    int low = (byteFrom(block + 4, s / 2) >> (4 * (s % 2))) & 15, upper = (byteFrom(block + 2, s / 4) >> (2 * (s % 4))) & 3;
    whole.scale[s] = (low | (upper << 4)) - 32;
  }
  fillCodes(whole, 256, [&](int i) { return table[static_cast<size_t>(nibbleFrom(block + 8 + 16 * (i / 32), i % 32))]; });
}

}  // namespace

float powerOfByte(int e) {
  constexpr int kBits = 23, kDenormal = 21;  // 2^-128 and 2^-127 have no exponent of their own
  return std::bit_cast<float>(e < 2 ? (e + 1) << kDenormal : (e - 1) << kBits);
}

WholeBlock wholeBlock(ElementType type, const std::byte* block) {
  WholeBlock whole;
  std::fill(std::begin(whole.scale), std::end(whole.scale), 1);
  std::fill(std::begin(whole.least), std::end(whole.least), 0);
  const BlockFormat& format = blockFormatOf(type);
  whole.each = format.each;
  whole.d = format.power ? powerOfByte(byteFrom(block, 0)) : halfFrom(type == ElementType::Q6_K ? block + 208 : block);
  if (formatOf(type).block == 32) return wholeOf32(type, block, whole), whole;
  switch (type) {
    case ElementType::Q4_K: wholeQ4K(block, false, whole); break;
    case ElementType::Q5_K: wholeQ4K(block, true, whole); break;
    case ElementType::Q2_K: wholeQ2K(block, whole); break;
    case ElementType::Q3_K: wholeQ3K(block, whole); break;
    case ElementType::IQ4_XS: wholeIq4Xs(block, whole); break;
    default:
      QUERN_CHECK(type == ElementType::Q6_K);
      for (int s = 0; s < 16; ++s) whole.scale[s] = signedFrom(block, 192 + s);
      fillCodes(whole, 256, [&](int i) { return codeOfQ6K(block, i); });
  }
  return whole;
}

void blockValues(ElementType type, const WholeBlock& whole, float* values) {
  bool minima = blockFormatOf(type).minima != Minima::None;
  for (int64_t first = 0; first < formatOf(type).block; first += whole.each) {
    auto part = static_cast<size_t>(first / whole.each);
    float step = whole.d * static_cast<float>(whole.scale[part]), least = whole.dmin * static_cast<float>(whole.least[part]);
    for (int64_t i = first; i < first + whole.each; ++i) {
      float product = step * static_cast<float>(whole.q[i]);
      values[i] = minima ? product - least : product;
    }
  }
}

}  // namespace quern
