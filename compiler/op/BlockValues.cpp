// compiler/op/BlockValues.cpp — the formulas of ElementType.h, one block at a time.
#include "compiler/op/BlockValues.h"

#include "compiler/base/Half.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

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

/// Scale and minimum of sub-block `s` of a q4_K.
static std::pair<int, int> sixBits(const std::byte* scales, int s) {
  if (s < 4) return {byteAt(scales, s) & 63, byteAt(scales, 4 + s) & 63};
  return {(byteAt(scales, 4 + s) & 15) | (byteAt(scales, s - 4) >> 6 << 4), (byteAt(scales, 4 + s) >> 4) | (byteAt(scales, s) >> 6 << 4)};
}
static int nibbleOf(const std::byte* q4K, int i) { return (byteAt(q4K + 16, 32 * (i / 64) + i % 32) >> (4 * (i / 32 % 2))) & 15; }

static void q4_K(const std::byte* block, float* values) {
  float d = floatOfHalf(halfAt(block)), dmin = floatOfHalf(halfAt(block + 2));
  for (int s = 0; s < 8; ++s) {
    auto [scale, least] = sixBits(block + 4, s);
    float step = d * static_cast<float>(scale), minimum = dmin * static_cast<float>(least);
    for (int i = 32 * s; i < 32 * s + 32; ++i) values[i] = step * static_cast<float>(nibbleOf(block, i)) - minimum;
  }
}

/// q - 32.
static int sixthOf(const std::byte* q6K, int i) {
  int half = i / 128, group = i / 32 % 4, within = i % 32;
  int low = (byteAt(q6K, 64 * half + 32 * (group % 2) + within) >> (4 * (group / 2))) & 15;
  int high = (byteAt(q6K, 128 + 32 * half + within) >> (2 * group)) & 3;
  return (low | (high << 4)) - 32;
}

static void q6_K(const std::byte* block, float* values) {
  float d = floatOfHalf(halfAt(block + 208));
  for (int i = 0; i < 256; ++i) values[i] = d * static_cast<float>(signedAt(block, 192 + i / 16)) * static_cast<float>(sixthOf(block, i));
}

float codedRow(const float* x, int64_t elements, int* codes) {
  float amax = 0;
  bool finite = true;
  for (int64_t i = 0; i < elements; ++i) amax = std::max(amax, std::fabs(x[i])), finite = finite && std::isfinite(x[i]);
  std::fill_n(codes, elements, 0);
  if (!finite) return std::numeric_limits<float>::quiet_NaN();
  if (amax < CodedBlock::kLeast) return 0;
  float inverse = 127 / amax;
  for (int64_t i = 0; i < elements; ++i) codes[i] = static_cast<int>(std::nearbyint(x[i] * inverse));
  return amax * CodedBlock::kPart;
}

CodedBlock codedBlock(const float* x) {
  CodedBlock out;
  out.scale = codedRow(x, CodedBlock::kElements, out.codes);
  return out;
}

void storeCoded(const CodedBlock& block, std::byte* to) {
  int sums[2] = {0, 0};
  std::array<int8_t, CodedBlock::kElements> codes{};
  for (int i = 0; i < CodedBlock::kElements; ++i) {
    sums[i / 16] += block.codes[i];
    codes[static_cast<size_t>(i / 16 * 16 + i % 4 * 4 + i % 16 / 4)] = static_cast<int8_t>(block.codes[i]);
  }
  int all = sums[0] + sums[1];
  float less = -static_cast<float>(all);
  const int32_t words[] = {0, 0, -8 * all, -128 * all, -32 * sums[0], -32 * sums[1], 0, 0};
  std::memcpy(to, words, sizeof words);
  std::memcpy(to, &block.scale, 4);
  std::memcpy(to + 4, &less, 4);
  std::memcpy(to + 4 * CodedWords::kCodes, codes.data(), codes.size());
}

CodedBlock loadCoded(const std::byte* from, bool* consistent) {
  CodedBlock block;
  std::memcpy(&block.scale, from, 4);
  for (int i = 0; i < CodedBlock::kElements; ++i)
    block.codes[i] = signedAt(from, 4 * CodedWords::kCodes + i / 16 * 16 + i % 4 * 4 + i % 16 / 4);
  if (consistent != nullptr) {
    std::byte again[4 * CodedWords::kWords];
    storeCoded(block, again);
    *consistent = std::memcmp(again, from, sizeof again) == 0;
  }
  return block;
}

static void q8(const std::byte* block, float* values) {
  CodedBlock coded = loadCoded(block);
  for (int i = 0; i < CodedBlock::kElements; ++i) values[i] = coded.scale * static_cast<float>(coded.codes[i]);
}

void keptBlock(const float* x, std::byte* block) {
  CodedBlock coded = codedBlock(x);
  uint16_t d = halfOfFloat(coded.scale < CodedBlock::kBeyondHalf ? coded.scale : std::numeric_limits<float>::quiet_NaN());
  std::memcpy(block, &d, 2);
  for (int i = 0; i < CodedBlock::kElements; ++i) block[2 + i] = static_cast<std::byte>(coded.codes[i]);
}

template <class T>
static float numberAt(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return static_cast<float>(value);
}

/// Whole rows of what tables are of: an element at a time takes the time of a layer's norms.
template <float (*Of)(uint16_t)>
static void halves(const std::byte* row, int64_t elements, float* values) {
  for (int64_t i = 0; i < elements; ++i) values[i] = Of(halfAt(row + 2 * i));
}

void rowValues(ElementType type, const std::byte* row, int64_t elements, float* values) {
  if (type == ElementType::F32 && elements > 0) std::memcpy(values, row, 4 * static_cast<size_t>(elements));
  if (type == ElementType::F16) halves<floatOfHalf>(row, elements, values);
  if (type == ElementType::BF16) halves<floatOfBfloat>(row, elements, values);
  if (type == ElementType::F32 || type == ElementType::F16 || type == ElementType::BF16) return;
  const ElementFormat& format = formatOf(type);
  for (int64_t at = 0; at < elements; at += format.block, row += format.blockBytes, values += format.block) {
    switch (type) {
      case ElementType::F64: *values = numberAt<double>(row); break;
      case ElementType::I8: *values = static_cast<float>(signedAt(row, 0)); break;
      case ElementType::U8: *values = numberAt<uint8_t>(row); break;
      case ElementType::I16: *values = numberAt<int16_t>(row); break;
      case ElementType::U16: *values = numberAt<uint16_t>(row); break;
      case ElementType::I32: *values = numberAt<int32_t>(row); break;
      case ElementType::U32: *values = numberAt<uint32_t>(row); break;
      case ElementType::I64: *values = numberAt<int64_t>(row); break;
      case ElementType::U64: *values = numberAt<uint64_t>(row); break;
      case ElementType::Bool: *values = numberAt<uint8_t>(row); break;
      case ElementType::Q8_0: q8_0(row, values); break;
      case ElementType::Q4_0: q4_0(row, values); break;
      case ElementType::Q4_K: q4_K(row, values); break;
      case ElementType::Q6_K: q6_K(row, values); break;
      case ElementType::Q8: q8(row, values); break;
      default: blockValues(type, wholeBlock(type, row), values);
    }
  }
}

}  // namespace quern
