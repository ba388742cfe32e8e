// tuner/check/WeightInputs.cpp — see WeightInputs.h.
#include "tuner/check/WeightInputs.h"

#include "compiler/base/Half.h"
#include "compiler/op/BlockFormat.h"
#include "compiler/op/BlockValues.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace quern {

std::string_view text(InputData data) {
  constexpr std::string_view names[] = {"zero-mean", "unit", "integer", "specials", "offset", "same", "huge", "tiny"};
  return names[static_cast<size_t>(data)];
}

float drawn(InputData data, std::mt19937_64& random) {
  auto uniform = [&] { return static_cast<float>(static_cast<double>(random() >> 11) * 0x1p-53); };
  switch (data) {
    case InputData::Unit: return uniform();
    case InputData::Integer: return static_cast<float>(static_cast<int>(random() % 9) - 4);
    case InputData::ZeroMean: return 2 * uniform() - 1;
    case InputData::Offset: return 99 + 2 * uniform();
    case InputData::Same: return 1.1f;
    case InputData::Huge: return std::copysign((0.25f + 0.75f * uniform()) * std::numeric_limits<float>::max(), uniform() - 0.5f);
    case InputData::Tiny: return std::copysign(std::ldexp(uniform(), -149 + static_cast<int>(random() % 50)), uniform() - 0.5f);
    case InputData::Specials: break;
  }
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float specials[] = {kNan, kInf, -kInf, -0.0f, 0.0f, 1e-40f, -1e-44f, 88.5f, -1e4f, 1e4f};
  uint64_t pick = random() % 64;
  return pick < std::size(specials) && random() % 4 == 0 ? specials[pick] : 2 * uniform() - 1;
}

namespace {

void putHalf(std::byte* at, uint16_t bits) { std::memcpy(at, &bits, 2); }

/// A block's scale such that `largest` whole steps of it stay within one.
uint16_t drawnScale(InputData data, float largest, std::mt19937_64& random) {
  if (data == InputData::Integer) return halfOfFloat(1);
  if (data == InputData::Specials && random() % 16 == 0) return static_cast<uint16_t>(random());
  return halfOfFloat((0.5f + static_cast<float>(random() % 1024) / 2048.0f) / largest);
}

/// Of so many bytes: small ones for Integer, else of any size up to theirs.
void drawWhole(int64_t bytes, std::byte* at, InputData data, std::mt19937_64& random) {
  auto bits = static_cast<int64_t>(random());
  int64_t value = data == InputData::Integer ? bits % 5 : bits >> (random() % 64);
  std::memcpy(at, &value, static_cast<size_t>(bytes));
}

void drawBytes(std::byte* at, int64_t count, std::mt19937_64& random) {
  for (int64_t i = 0; i < count; ++i) at[i] = static_cast<std::byte>(random());
}

/// 8 scales and 8 minima of six bits in 12 bytes, as q4_K has them.
void putScales(std::byte* at, const std::array<int, 8>& scales, const std::array<int, 8>& minima) {
  for (int j = 0; j < 4; ++j) {
    auto low = [&](const std::array<int, 8>& all) { return all[static_cast<size_t>(j)] | (all[static_cast<size_t>(j + 4)] >> 4 << 6); };
    at[j] = static_cast<std::byte>(low(scales));
    at[4 + j] = static_cast<std::byte>(low(minima));
    at[8 + j] = static_cast<std::byte>((scales[static_cast<size_t>(j + 4)] & 15) | ((minima[static_cast<size_t>(j + 4)] & 15) << 4));
  }
}

void drawQ4K(std::byte* block, InputData data, std::mt19937_64& random) {
  bool whole = data == InputData::Integer;
  // A minimum of 7.5 scales is the middle of 0 .. 15.
  constexpr float kMiddle = 7.5f, kMostScale = 63;
  uint16_t d = drawnScale(data, (1 + kMiddle) * kMostScale, random);
  putHalf(block, d);
  putHalf(block + 2, whole ? halfOfFloat(1) : halfOfFloat(kMiddle * floatOfHalf(d)));
  std::array<int, 8> scales{}, minima{};
  for (size_t j = 0; j < 8; ++j) {
    scales[j] = whole ? 1 + static_cast<int>(random() % 2) : static_cast<int>(random() % 64);
    minima[j] = whole ? 4 + static_cast<int>(random() % 4) : scales[j];
  }
  putScales(block + 4, scales, minima);
  drawBytes(block + 16, 128, random);
}

/// Of a type of 32 elements: any codes behind d; m is such that their middle is 0.
void drawCodes(const BlockFormat& format, std::byte* block, InputData data, std::mt19937_64& random) {
  float most = format.table != nullptr ? static_cast<float>((*format.table)[0] == 0 ? 12 : 127)
                                       : static_cast<float>(1 << (format.low + format.high));
  int64_t bytes = formatOf(format.type).blockBytes, head = format.headBytes();
  if (format.power) {
    int e = data == InputData::Integer ? 128 : data == InputData::Specials && random() % 16 == 0 ? static_cast<int>(random() % 160) : 124;
    block[0] = static_cast<std::byte>(e);
  } else {
    uint16_t d = drawnScale(data, most, random);
    putHalf(block, d);
    constexpr float kMiddle = -0.5F;
    if (head == 4) putHalf(block + 2, halfOfFloat(data == InputData::Integer ? -4 : kMiddle * most * floatOfHalf(d)));
  }
  drawBytes(block + head, bytes - head, random);
}

/// As q4_K.
void drawQ5K(std::byte* block, InputData data, std::mt19937_64& random) {
  drawQ4K(block, data, random);
  uint16_t least = 0;  // twice as many steps
  std::memcpy(&least, block + 2, 2);
  putHalf(block + 2, halfOfFloat(2 * floatOfHalf(least)));
  drawBytes(block + 16, 160, random);
}

void drawQ2K(std::byte* block, InputData data, std::mt19937_64& random) {
  bool whole = data == InputData::Integer;
  constexpr float kMiddle = 1.5F, kMostScale = 15;
  uint16_t d = drawnScale(data, (1 + kMiddle) * kMostScale, random);
  putHalf(block + 80, d);
  putHalf(block + 82, halfOfFloat(whole ? 1 : kMiddle * floatOfHalf(d)));
  for (int s = 0; s < 16; ++s) {
    auto scale = static_cast<int>(whole ? 1 + random() % 2 : random() % 16), least = static_cast<int>(whole ? random() % 3 : random() % 16);
    block[s] = static_cast<std::byte>(scale | (least << 4));
  }
  drawBytes(block + 16, 64, random);
}

/// Scales of six bits less 32, in two parts each; with Integer all are 1.
void drawQ3K(std::byte* block, InputData data, std::mt19937_64& random) {
  drawBytes(block, 108, random);
  if (data == InputData::Integer) std::memset(block + 96, 0x11, 8), std::memset(block + 104, 0xaa, 4);
  putHalf(block + 108, drawnScale(data, 4 * 32, random));
}

void drawIq4Xs(std::byte* block, InputData data, std::mt19937_64& random) {
  drawBytes(block + 2, 134, random);
  if (data == InputData::Integer) std::memset(block + 2, 0xaa, 2), std::memset(block + 4, 0x11, 4);
  putHalf(block, drawnScale(data, 127 * 32, random));
}

void drawQ6K(std::byte* block, InputData data, std::mt19937_64& random) {
  drawBytes(block, 192, random);
  for (int s = 0; s < 16; ++s)
    block[192 + s] = static_cast<std::byte>(data == InputData::Integer ? 1 : static_cast<int>(random() % 255) - 127);
  putHalf(block + 208, drawnScale(data, 127 * 32, random));
}

}  // namespace

void drawBlocks(ElementType type, int64_t elements, std::byte* to, InputData data, std::mt19937_64& random) {
  const ElementFormat& format = formatOf(type);
  for (int64_t at = 0; at < elements; at += format.block, to += format.blockBytes) switch (type) {
      case ElementType::F16: putHalf(to, halfOfFloat(drawn(data, random))); break;
      case ElementType::BF16: putHalf(to, bfloatOfFloat(drawn(data, random))); break;
      case ElementType::I8:
        *to = static_cast<std::byte>(data == InputData::Integer ? static_cast<int>(random() % 9) - 4 : static_cast<int>(random() % 256));
        break;
      case ElementType::Q8_0:
        putHalf(to, drawnScale(data, 127, random));
        for (int i = 0; i < 32; ++i)
          to[2 + i] = static_cast<std::byte>(static_cast<int>(random() % (data == InputData::Integer ? 9 : 255)) -
                                             (data == InputData::Integer ? 4 : 127));
        break;
      case ElementType::Q4_0:
        putHalf(to, drawnScale(data, 8, random));
        drawBytes(to + 2, 16, random);
        break;
      case ElementType::Q4_1:
      case ElementType::Q5_0:
      case ElementType::Q5_1:
      case ElementType::IQ4_NL:
      case ElementType::MXFP4: drawCodes(blockFormatOf(type), to, data, random); break;
      case ElementType::Q2_K: drawQ2K(to, data, random); break;
      case ElementType::Q3_K: drawQ3K(to, data, random); break;
      case ElementType::Q5_K: drawQ5K(to, data, random); break;
      case ElementType::IQ4_XS: drawIq4Xs(to, data, random); break;
      case ElementType::Q4_K: drawQ4K(to, data, random); break;
      case ElementType::Q6_K: drawQ6K(to, data, random); break;
      case ElementType::Q8: {
        float values[CodedBlock::kElements];
        for (float& each : values) each = drawn(data, random);
        storeCoded(codedBlock(values), to);
        break;
      }
      case ElementType::F32: {
        float value = drawn(data, random);
        std::memcpy(to, &value, 4);
        break;
      }
      case ElementType::F64: {
        double value = double{drawn(data, random)} * (1 + std::ldexp(static_cast<double>(random() % 1024), -40));
        std::memcpy(to, &value, 8);
        break;
      }
      default: drawWhole(format.blockBytes, to, data, random);
    }
}

void drawKept(int64_t elements, std::byte* to, InputData data, std::mt19937_64& random) {
  if (data == InputData::Integer) return drawBlocks(ElementType::Q8_0, elements, to, data, random);
  std::array<float, CodedBlock::kElements> x;
  for (int64_t at = 0; at < elements; at += CodedBlock::kElements) {
    for (float& each : x) each = drawn(data, random);
    keptBlock(x.data(), to + bytesOf(ElementType::Q8_0, at));
  }
}

}  // namespace quern
