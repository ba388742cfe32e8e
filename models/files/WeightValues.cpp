// models/files/WeightValues.cpp — see WeightValues.h. Each block layout is one function, a table joins them.
#include "models/files/WeightValues.h"

#include <bit>
#include <cstring>
#include <fmt/format.h>

namespace quern {

float halfToFloat(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  uint32_t exponent = (half >> 10) & 31, fraction = half & 0x3ff;
  if (exponent == 0) {  // zero and denormals: fraction * 2^-24, exact
    float value = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
  }
  uint32_t wide = exponent == 31 ? 255 : exponent + (127 - 15);
  return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
}

uint16_t floatToHalf(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  uint32_t size = bits & 0x7fffffff;
  if (size > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00 | ((size >> 13) & 0x1ff));
  if (size >= 0x47800000) return static_cast<uint16_t>(sign | 0x7c00);  // 2^16 and more
  if (size < 0x38800000) {  // below 2^-14: in steps of 2^-24, which adding 2^-1 (ulp 2^-24) rounds to
    float rounded = std::bit_cast<float>(size) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(rounded) - 0x3f000000));
  }
  uint32_t shifted = size - ((127 - 15) << 23);
  uint32_t odd = (shifted >> 13) & 1;
  return static_cast<uint16_t>(sign | ((shifted + 0xfff + odd) >> 13));  // a carry goes on into the exponent, up to Inf
}

float bfloatToFloat(uint16_t bfloat) { return std::bit_cast<float>(static_cast<uint32_t>(bfloat) << 16); }

uint16_t floatToBfloat(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

namespace {

using Bytes = const uint8_t*;

float halfAt(Bytes at) {
  uint16_t half = 0;
  std::memcpy(&half, at, 2);
  return halfToFloat(half);
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

// One value each.
void takeF32(Bytes in, float* out) { std::memcpy(out, in, 4); }
void takeF16(Bytes in, float* out) { *out = halfAt(in); }
void takeBf16(Bytes in, float* out) {
  uint16_t bits = 0;
  std::memcpy(&bits, in, 2);
  *out = bfloatToFloat(bits);
}
void takeF64(Bytes in, float* out) {
  double value = 0;
  std::memcpy(&value, in, 8);
  *out = static_cast<float>(value);
}

// Blocks of 32. d f16 | [m f16] | [fifth bits u32] | quants.
void takeQ4_0(Bytes in, float* out) {
  float d = halfAt(in);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(nibble(in + 2, i) - 8);
}

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

void takeQ8_0(Bytes in, float* out) {
  float d = halfAt(in);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(in[2 + i]));
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
    for (int l = 0; l < 16; ++l) out[16 * part + l] = step * static_cast<float>((((quants[l] >> shift) & 3) | ((high[l] >> bit) & 1) << 2) - 4);
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

/// q4_K: d f16, m f16, scales u8[12], quants u8[128]; q5_K has fifth bits u8[32] before the quants. 8 parts of 32: parts
/// 2c and 2c + 1 are the low and the high nibbles of the same 32 bytes.
void takeParts(Bytes in, Bytes quants, Bytes fifth, float* out) {
  float d = halfAt(in), m = halfAt(in + 2);
  for (int part = 0; part < 8; ++part) {
    int scale = 0, minimum = 0;
    scaleAndMinimum(in + 4, part, scale, minimum);
    float step = d * static_cast<float>(scale), below = m * static_cast<float>(minimum);
    for (int i = 0; i < 32; ++i) {
      int byte = quants[32 * (part / 2) + i];
      int q = part % 2 == 0 ? byte & 15 : byte >> 4;
      if (fifth != nullptr) q |= ((fifth[i] >> part) & 1) << 4;
      out[32 * part + i] = step * static_cast<float>(q) - below;
    }
  }
}

void takeQ4_K(Bytes in, float* out) { takeParts(in, in + 16, nullptr, out); }
void takeQ5_K(Bytes in, float* out) { takeParts(in, in + 48, in + 16, out); }

/// low nibbles u8[128], upper pairs u8[64], scales i8[16], d f16. Each half of 128 has four quarters of 32: their low
/// nibbles in 64 bytes (two quarters in the low ones, two in the high), their pairs in 32.
void takeQ6_K(Bytes in, float* out) {
  float d = halfAt(in + 208);
  for (int part = 0; part < 16; ++part) {
    int half = part / 8, quarter = part % 8 / 2, first = 16 * (part % 2);
    Bytes low = in + 64 * half + 32 * (quarter % 2) + first, pairs = in + 128 + 32 * half + first;
    int lowShift = quarter < 2 ? 0 : 4;
    float step = d * static_cast<float>(static_cast<int8_t>(in[192 + part]));
    for (int l = 0; l < 16; ++l) out[16 * part + l] = step * static_cast<float>((((low[l] >> lowShift) & 15) | ((pairs[l] >> (2 * quarter)) & 3) << 4) - 32);
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
void takeAll(Bytes in, int64_t blocks, int64_t bytesEach, int64_t elementsEach, float* out) {
  for (int64_t i = 0; i < blocks; ++i) take(in + i * bytesEach, out + i * elementsEach);
}

using TakeBlocks = void (*)(Bytes in, int64_t blocks, int64_t bytesEach, int64_t elementsEach, float* out);

TakeBlocks converterOf(TensorType type) {
  switch (type) {
    case TensorType::F32: return takeAll<takeF32>;
    case TensorType::F16: return takeAll<takeF16>;
    case TensorType::BF16: return takeAll<takeBf16>;
    case TensorType::F64: return takeAll<takeF64>;
    case TensorType::Q4_0: return takeAll<takeQ4_0>;
    case TensorType::Q4_1: return takeAll<takeQ4_1>;
    case TensorType::Q5_0: return takeAll<takeQ5_0>;
    case TensorType::Q5_1: return takeAll<takeQ5_1>;
    case TensorType::Q8_0: return takeAll<takeQ8_0>;
    case TensorType::Q2_K: return takeAll<takeQ2_K>;
    case TensorType::Q3_K: return takeAll<takeQ3_K>;
    case TensorType::Q4_K: return takeAll<takeQ4_K>;
    case TensorType::Q5_K: return takeAll<takeQ5_K>;
    case TensorType::Q6_K: return takeAll<takeQ6_K>;
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
  TakeBlocks take = converterOf(type);
  if (take == nullptr) return checkConvertible(type);
  const TensorTypeInfo& info = infoOf(type);
  if (elements < 0 || elements % info.blockElements != 0) return badInput(fmt::format("{} elements are no whole blocks of {} ({} elements each)", elements, info.name, info.blockElements));
  take(reinterpret_cast<Bytes>(bytes), elements / info.blockElements, info.blockBytes, info.blockElements, out);
  return {};
}

}  // namespace quern
