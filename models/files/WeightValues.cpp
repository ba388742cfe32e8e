// models/files/WeightValues.cpp — see WeightValues.h. What kernels multiply by is BlockValues' to decode; of the others each block layout
// is
// one function. A table joins them.
#include "models/files/WeightValues.h"

#include "compiler/base/Half.h"
#include "compiler/op/BlockValues.h"

#include <cstring>
#include <fmt/format.h>

namespace quern {

namespace {

using Bytes = const uint8_t*;

float halfAt(Bytes at) {
  uint16_t half = 0;
  std::memcpy(&half, at, 2);
  return floatOfHalf(half);
}

uint32_t wordAt(Bytes at) {
  uint32_t word = 0;
  std::memcpy(&word, at, 4);
  return word;
}

/// Nibble i of 32: the low ones of all 16 bytes come first.
int nibble(Bytes quants, int i) { return i < 16 ? quants[i] & 15 : quants[i - 16] >> 4; }

// The two tables of 4-bit codes that are not evenly spaced are one and the same.
constexpr int8_t kNonlinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

void takeF64(Bytes in, float* out) {
  double value = 0;
  std::memcpy(&value, in, 8);
  *out = static_cast<float>(value);
}

// Blocks of 32. d f16 | [m f16] | [fifth bits u32] | quants.
void takeQ4_1(Bytes in, float* out) {
  float d = halfAt(in), m = halfAt(in + 2);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(nibble(in + 4, i)) + m;
}

void takeQ5_0(Bytes in, float* out) {
  float d = halfAt(in);
  uint32_t fifth = wordAt(in + 2);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>((nibble(in + 6, i) | static_cast<int>((fifth >> i) & 1) << 4) - 16);
}

void takeQ5_1(Bytes in, float* out) {
  float d = halfAt(in), m = halfAt(in + 2);
  uint32_t fifth = wordAt(in + 4);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(nibble(in + 8, i) | static_cast<int>((fifth >> i) & 1) << 4) + m;
}

void takeIq4_nl(Bytes in, float* out) {
  float d = halfAt(in);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(kNonlinear[nibble(in + 2, i)]);
}

// Blocks of 256, in parts with scales of their own.

/// scales u8[16] (low nibble: scale, high: minimum), quants u8[64] of 2 bits, d f16, m f16; 16 parts of 16. Each half of 128
/// has its quants in 32 bytes: byte l holds elements l, l + 32, l + 64, l + 96.
void takeQ2_K(Bytes in, float* out) {
  float d = halfAt(in + 80), m = halfAt(in + 82);
  for (int part = 0; part < 16; ++part) {
    Bytes quants = in + 16 + 32 * (part / 8) + 16 * (part % 2);
    int shift = part % 8 / 2 * 2;
    float step = d * static_cast<float>(in[part] & 15), below = m * static_cast<float>(in[part] >> 4);
    for (int l = 0; l < 16; ++l) out[16 * part + l] = step * static_cast<float>((quants[l] >> shift) & 3) - below;
  }
}

/// high bits u8[32], quants u8[64] of 2 bits, scales u8[12] (16 of 6 bits: low nibbles in 8 bytes, pairs of bits in 4), d f16.
/// Quants as q2_K's; bit g of byte l of the high bits is that of element 32 g + l.
void takeQ3_K(Bytes in, float* out) {
  float d = halfAt(in + 108);
  Bytes scales = in + 96;
  for (int part = 0; part < 16; ++part) {
    int low = part < 8 ? scales[part] & 15 : scales[part - 8] >> 4;
    float step = d * static_cast<float>((low | ((scales[8 + part % 4] >> (2 * (part / 4))) & 3) << 4) - 32);
    Bytes quants = in + 32 + 32 * (part / 8) + 16 * (part % 2), high = in + 16 * (part % 2);
    int shift = part % 8 / 2 * 2, bit = part / 2;
    for (int l = 0; l < 16; ++l)
      out[16 * part + l] = step * static_cast<float>((((quants[l] >> shift) & 3) | ((high[l] >> bit) & 1) << 2) - 4);
  }
}

/// Scale and minimum of part j of 8, 6 bits each, out of 12 bytes: the first four plainly, the others' upper two bits
/// in the upper two of the first eight.
void scaleAndMinimum(Bytes packed, int j, int& scale, int& minimum) {
  if (j < 4) {
    scale = packed[j] & 63;
    minimum = packed[j + 4] & 63;
  } else {
    scale = (packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4;
    minimum = (packed[j + 4] >> 4) | (packed[j] >> 6) << 4;
  }
}

/// d f16, m f16, scales u8[12], fifth bits u8[32], quants u8[128]. 8 parts of 32: parts 2c and 2c + 1 are the low and the high
/// nibbles of the same 32 bytes.
void takeQ5_K(Bytes in, float* out) {
  float d = halfAt(in), m = halfAt(in + 2);
  Bytes fifth = in + 16, quants = in + 48;
  for (int part = 0; part < 8; ++part) {
    int scale = 0, minimum = 0;
    scaleAndMinimum(in + 4, part, scale, minimum);
    float step = d * static_cast<float>(scale), below = m * static_cast<float>(minimum);
    for (int i = 0; i < 32; ++i) {
      int q = ((quants[32 * (part / 2) + i] >> (4 * (part % 2))) & 15) | ((fifth[i] >> part) & 1) << 4;
      out[32 * part + i] = step * static_cast<float>(q) - below;
    }
  }
}

/// d f16, upper pairs of the scales u16, their low nibbles u8[4], quants u8[128]: 8 parts of 32.
void takeIq4_xs(Bytes in, float* out) {
  float d = halfAt(in);
  int upper = in[2] | in[3] << 8;
  for (int part = 0; part < 8; ++part) {
    int scale = (((in[4 + part / 2] >> (4 * (part % 2))) & 15) | ((upper >> (2 * part)) & 3) << 4) - 32;
    float step = d * static_cast<float>(scale);
    for (int i = 0; i < 32; ++i) out[32 * part + i] = step * static_cast<float>(kNonlinear[nibble(in + 8 + 16 * part, i)]);
  }
}

using TakeBlock = void (*)(Bytes in, float* out);

template <TakeBlock take>
void takeAll(const std::byte* bytes, int64_t elements, const TensorTypeInfo& info, float* out) {
  auto in = reinterpret_cast<Bytes>(bytes);
  for (int64_t i = 0; i < elements; i += info.blockElements, in += info.blockBytes) take(in, out + i);
}

template <ElementType type>
void takeRow(const std::byte* bytes, int64_t elements, const TensorTypeInfo&, float* out) {
  rowValues(type, bytes, elements, out);
}

using TakeElements = void (*)(const std::byte* bytes, int64_t elements, const TensorTypeInfo& info, float* out);

TakeElements converterOf(TensorType type) {
  switch (type) {
    case TensorType::F32: return takeRow<ElementType::F32>;
    case TensorType::F16: return takeRow<ElementType::F16>;
    case TensorType::BF16: return takeRow<ElementType::BF16>;
    case TensorType::Q8_0: return takeRow<ElementType::Q8_0>;
    case TensorType::Q4_0: return takeRow<ElementType::Q4_0>;
    case TensorType::Q4_K: return takeRow<ElementType::Q4_K>;
    case TensorType::Q6_K: return takeRow<ElementType::Q6_K>;
    case TensorType::F64: return takeAll<takeF64>;
    case TensorType::Q4_1: return takeAll<takeQ4_1>;
    case TensorType::Q5_0: return takeAll<takeQ5_0>;
    case TensorType::Q5_1: return takeAll<takeQ5_1>;
    case TensorType::Q2_K: return takeAll<takeQ2_K>;
    case TensorType::Q3_K: return takeAll<takeQ3_K>;
    case TensorType::Q5_K: return takeAll<takeQ5_K>;
    case TensorType::IQ4_NL: return takeAll<takeIq4_nl>;
    case TensorType::IQ4_XS: return takeAll<takeIq4_xs>;
    default: return nullptr;
  }
}

}  // namespace

Result<void> checkConvertible(TensorType type) {
  if (converterOf(type) != nullptr) return {};
  return badInput(fmt::format("{} is known but cannot be converted to floats", nameOf(type)));
}

Result<void> toFloats(TensorType type, const std::byte* bytes, int64_t elements, float* out) {
  TakeElements take = converterOf(type);
  if (take == nullptr) return checkConvertible(type);
  const TensorTypeInfo& info = infoOf(type);
  if (elements < 0 || elements % info.blockElements != 0)
    return badInput(fmt::format("{} elements are no whole blocks of {} ({} elements each)", elements, info.name, info.blockElements));
  take(bytes, elements, info, out);
  return {};
}

}  // namespace quern
