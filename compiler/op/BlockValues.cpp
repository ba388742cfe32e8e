// compiler/op/BlockValues.cpp — the formulas of ElementType.h, one block at a time.
#include "compiler/op/BlockValues.h"

#include "compiler/base/Check.h"
#include "compiler/base/Half.h"

#include <cstring>

namespace quern {

static uint16_t halfAt(const std::byte* at) {
  uint16_t bits = 0;
  std::memcpy(&bits, at, 2);
  return bits;
}

static int byteAt(const std::byte* bytes, int i) { return static_cast<int>(bytes[i]); }
static int signedAt(const std::byte* bytes, int i) { return static_cast<int8_t>(bytes[i]); }

static void q8_0(const std::byte* block, float* values) {
  float d = floatOfHalf(halfAt(block));
  for (int i = 0; i < 32; ++i) values[i] = d * static_cast<float>(signedAt(block, 2 + i));
}

static void q4_0(const std::byte* block, float* values) {
  float d = floatOfHalf(halfAt(block));
  for (int i = 0; i < 16; ++i) {
    values[i] = d * static_cast<float>((byteAt(block, 2 + i) & 15) - 8);
    values[16 + i] = d * static_cast<float>((byteAt(block, 2 + i) >> 4) - 8);
  }
}

static void q4_K(const std::byte* block, float* values) {
  float d = floatOfHalf(halfAt(block)), dmin = floatOfHalf(halfAt(block + 2));
  const std::byte *scales = block + 4, *nibbles = block + 16;
  for (int s = 0; s < 8; ++s) {
    int scale = s < 4 ? byteAt(scales, s) & 63 : (byteAt(scales, 4 + s) & 15) | (byteAt(scales, s - 4) >> 6 << 4);
    int least = s < 4 ? byteAt(scales, 4 + s) & 63 : (byteAt(scales, 4 + s) >> 4) | (byteAt(scales, s) >> 6 << 4);
    float step = d * static_cast<float>(scale), minimum = dmin * static_cast<float>(least);
    for (int i = 0; i < 32; ++i)
      values[32 * s + i] = step * static_cast<float>((byteAt(nibbles, 32 * (s / 2) + i) >> (4 * (s % 2))) & 15) - minimum;
  }
}

static void q6_K(const std::byte* block, float* values) {
  float d = floatOfHalf(halfAt(block + 208));
  for (int i = 0; i < 256; ++i) {
    int half = i / 128, group = i / 32 % 4, within = i % 32;
    int low = (byteAt(block, 64 * half + 32 * (group % 2) + within) >> (4 * (group / 2))) & 15;
    int high = (byteAt(block, 128 + 32 * half + within) >> (2 * group)) & 3;
    values[i] = d * static_cast<float>(signedAt(block, 192 + i / 16)) * static_cast<float>((low | (high << 4)) - 32);
  }
}

void rowValues(ElementType type, const std::byte* row, int64_t elements, float* values) {
  const ElementFormat& format = formatOf(type);
  for (int64_t at = 0; at < elements; at += format.block, row += format.blockBytes, values += format.block) {
    switch (type) {
      case ElementType::F32: std::memcpy(values, row, 4); break;
      case ElementType::F16: *values = floatOfHalf(halfAt(row)); break;
      case ElementType::BF16: *values = floatOfBfloat(halfAt(row)); break;
      case ElementType::Q8_0: q8_0(row, values); break;
      case ElementType::Q4_0: q4_0(row, values); break;
      case ElementType::Q4_K: q4_K(row, values); break;
      case ElementType::Q6_K: q6_K(row, values); break;
      default: QUERN_CHECK_FOR(false, std::string(format.name));  // no weights are stored so
    }
  }
}

}  // namespace quern
