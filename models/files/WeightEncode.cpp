// models/files/WeightEncode.cpp — floats as the values of a model file: fromFloats of WeightValues.h.
#include "models/files/WeightValues.h"

#include "compiler/base/Half.h"
#include "models/files/BlockEncode.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

namespace quern {

namespace {

using Out = uint8_t*;

bool putHalf(float value, Out out) {
  uint16_t half = halfOfFloat(value);
  std::memcpy(out, &half, 2);
  return (half & 0x7c00) != 0x7c00;
}

float heldByHalf(float value) { return floatOfHalf(halfOfFloat(value)); }

/// The value of largest size, with its sign.
float largest(const float* in, int count) {
  float found = 0;
  for (int i = 0; i < count; ++i)
    if (std::fabs(in[i]) > std::fabs(found)) found = in[i];
  return found;
}

float inverse(float value) { return value == 0 ? 0.0f : 1.0f / value; }

int rounded(float value, int low, int high) {
  return static_cast<int>(std::clamp(std::round(value), static_cast<float>(low), static_cast<float>(high)));
}

bool putF32(const float* in, Out out) {
  std::memcpy(out, in, 4);
  return true;
}

bool putF64(const float* in, Out out) {
  double value = *in;
  std::memcpy(out, &value, 8);
  return true;
}

bool putF16(const float* in, Out out) { return putHalf(*in, out) || !std::isfinite(*in); }

bool putBf16(const float* in, Out out) {
  uint16_t bits = bfloatOfFloat(*in);
  std::memcpy(out, &bits, 2);
  return true;
}

bool putQ8_0(const float* in, Out out) {
  float d = std::fabs(largest(in, 32)) / 127.0f, inverted = inverse(d);
  if (!std::isfinite(inverted)) inverted = 0;  // a step below the floats' range is zero in f16 anyway
  for (int i = 0; i < 32; ++i) out[2 + i] = static_cast<uint8_t>(rounded(in[i] * inverted, -127, 127));
  return putHalf(d, out);
}

bool putQ4_0(const float* in, Out out) {
  float d = largest(in, 32) / -8.0f, inverted = inverse(d);
  if (!std::isfinite(inverted)) inverted = 0;
  auto code = [&](float value) { return static_cast<uint8_t>(std::clamp(static_cast<int>(value * inverted + 8.5f), 0, 15)); };
  for (int i = 0; i < 16; ++i) out[2 + i] = static_cast<uint8_t>(code(in[i]) | code(in[i + 16]) << 4);
  return putHalf(d, out);
}

bool putQ4_K(const float* in, Out out) {
  float steps[8], below[8];
  for (int part = 0; part < 8; ++part) {
    auto [low, high] = std::minmax_element(in + 32 * part, in + 32 * part + 32);
    below[part] = std::max(0.0f, -*low);
    steps[part] = (std::max(0.0f, *high) + below[part]) / 15.0f;
  }
  float d = *std::max_element(steps, steps + 8) / 63.0f, m = *std::max_element(below, below + 8) / 63.0f;
  bool good = putHalf(d, out) && putHalf(m, out + 2);
  d = heldByHalf(d);
  m = heldByHalf(m);
  if (!good) return false;
  int scales[8], minima[8];
  for (int part = 0; part < 8; ++part) {
    scales[part] = d == 0 ? 0 : rounded(steps[part] / d, 0, 63);
    minima[part] = m == 0 ? 0 : rounded(below[part] / m, 0, 63);
  }
  packSixBits(scales, minima, out + 4);
  std::fill(out + 16, out + 144, uint8_t{0});
  for (int i = 0; i < 256; ++i) {
    int part = i / 32;
    float step = d * static_cast<float>(scales[part]);
    int q = step == 0 ? 0 : rounded((in[i] + m * static_cast<float>(minima[part])) / step, 0, 15);
    Out byte = out + 16 + 32 * (part / 2) + i % 32;
    *byte = static_cast<uint8_t>(*byte | (part % 2 == 0 ? q : q << 4));
  }
  return true;
}

bool putQ6_K(const float* in, Out out) {
  float steps[16];
  for (int part = 0; part < 16; ++part) steps[part] = largest(in + 16 * part, 16) / -32.0f;
  float d = largest(steps, 16) / -128.0f;
  if (!putHalf(d, out + 208)) return false;
  d = heldByHalf(d);
  std::fill(out, out + 192, uint8_t{0});
  for (int i = 0; i < 256; ++i) {
    int scale = d == 0 ? 0 : rounded(steps[i / 16] / d, -128, 127);
    out[192 + i / 16] = static_cast<uint8_t>(scale);
    float step = d * static_cast<float>(scale);
    int q = step == 0 ? 32 : rounded(in[i] / step, -32, 31) + 32;
    int half = i / 128, quarter = i % 128 / 32, l = i % 32;
    Out low = out + 64 * half + 32 * (quarter % 2) + l, pair = out + 128 + 32 * half + l;
    *low = static_cast<uint8_t>(*low | (quarter < 2 ? q & 15 : (q & 15) << 4));
    *pair = static_cast<uint8_t>(*pair | (q >> 4) << (2 * quarter));
  }
  return true;
}

PutBlock encoderOf(TensorType type) {
  switch (type) {
    case TensorType::F32: return putF32;
    case TensorType::F64: return putF64;
    case TensorType::F16: return putF16;
    case TensorType::BF16: return putBf16;
    case TensorType::Q8_0: return putQ8_0;
    case TensorType::Q4_0: return putQ4_0;
    case TensorType::Q4_K: return putQ4_K;
    case TensorType::Q6_K: return putQ6_K;
    default: return searchedEncoderOf(type);
  }
}

}  // namespace

Result<void> fromFloats(TensorType type, const float* values, int64_t elements, std::byte* out) {
  PutBlock put = encoderOf(type);
  const TensorTypeInfo& info = infoOf(type);
  if (put == nullptr)
    return badInput(fmt::format(
        "{} is not written; f32 f64 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q2_K q3_K q4_K q5_K q6_K iq4_nl iq4_xs mxfp4 are", info.name));
  if (elements < 0 || elements % info.blockElements != 0)
    return badInput(fmt::format("{} elements are no whole blocks of {} ({} elements each)", elements, info.name, info.blockElements));
  for (int64_t i = 0; i < elements; i += info.blockElements) {
    for (int64_t j = i; info.blockElements > 1 && j < i + info.blockElements; ++j)
      if (!std::isfinite(values[j]))
        return badInput(fmt::format("element {} is {}: {} holds finite numbers only", j, values[j], info.name));
    if (put(values + i, reinterpret_cast<Out>(out) + i / info.blockElements * info.blockBytes)) continue;
    if (info.blockElements == 1) return badInput(fmt::format("element {} is {}, {} ends at 65504", i, values[i], info.name));
    return badInput(
        fmt::format("elements {} to {} are too large for {}: f16 cannot hold their scale", i, i + info.blockElements - 1, info.name));
  }
  return {};
}

}  // namespace quern
