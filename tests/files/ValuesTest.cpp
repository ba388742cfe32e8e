// tests/files/ValuesTest.cpp — block types against their formulas, encoders against their bounds. Halves: unit/HalfTest.cpp.
#include "compiler/base/Half.h"
#include "models/files/WeightValues.h"

#include <catch2/catch.hpp>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <random>
#include <vector>

namespace quern {

namespace {

double valueOfHalf(uint16_t half) { return static_cast<double>(floatOfHalf(half)); }

uint32_t bitsOf(float value) { return std::bit_cast<uint32_t>(value); }

constexpr uint16_t kHalfOf3 = 0x4200, kHalfOfTenth = 0x2e66, kHalfSmallest = 0x0001, kHalfMinusTwo = 0xc000;

void putHalfAt(std::vector<uint8_t>& block, size_t at, uint16_t half) { std::memcpy(block.data() + at, &half, 2); }

std::vector<float> decoded(TensorType type, const std::vector<uint8_t>& bytes) {
  const TensorTypeInfo& info = infoOf(type);
  auto elements = static_cast<int64_t>(bytes.size()) / info.blockBytes * info.blockElements;
  std::vector<float> out(static_cast<size_t>(elements) + 1, 12345.0f);
  REQUIRE(toFloats(type, reinterpret_cast<const std::byte*>(bytes.data()), elements, out.data()));
  CHECK(out.back() == 12345.0f);
  out.pop_back();
  return out;
}

/// What a block of quantised type is made of, drawn at random; packers below lay it out as ggml's loops read it.
struct Drawn {
  uint16_t d = 0, m = 0;
  std::array<int, 256> q{};
  std::array<int, 16> scales{}, minima{};
};

Drawn draw(std::mt19937& random, int bits, int scaleBits) {
  static constexpr uint16_t kHalves[] = {kHalfOf3, kHalfOfTenth, kHalfSmallest, kHalfMinusTwo, 0x03ff, 0x0000, 0x7bff, 0x1234};
  Drawn drawn;
  drawn.d = kHalves[random() % std::size(kHalves)];
  drawn.m = kHalves[random() % std::size(kHalves)];
  for (int& q : drawn.q) q = static_cast<int>(random() % (1u << bits));
  for (int& scale : drawn.scales) scale = static_cast<int>(random() % (1u << scaleBits));
  for (int& minimum : drawn.minima) minimum = static_cast<int>(random() % (1u << scaleBits));
  return drawn;
}

/// Checks every element against a formula in double, which is exact, rounded once.
template <class Formula>
void checkBlock(TensorType type, const std::vector<uint8_t>& block, Formula formula) {
  REQUIRE(static_cast<int64_t>(block.size()) == infoOf(type).blockBytes);
  std::vector<float> values = decoded(type, block);
  for (size_t i = 0; i < values.size(); ++i) {
    auto expected = static_cast<float>(formula(static_cast<int>(i)));
    INFO(nameOf(type) << " element " << i << ": " << values[i] << ", expected " << expected);
    REQUIRE(bitsOf(values[i]) == bitsOf(expected));
  }
}

/// 32 codes of 4 bits: byte j holds j and j + 16.
void putNibbles(std::vector<uint8_t>& block, size_t at, const int* q) {
  for (size_t j = 0; j < 16; ++j) block[at + j] = static_cast<uint8_t>((q[j] & 15) | (q[j + 16] & 15) << 4);
}

void putFifthBits(std::vector<uint8_t>& block, size_t at, const int* q) {
  uint32_t bits = 0;
  for (uint32_t j = 0; j < 32; ++j) bits |= static_cast<uint32_t>(q[j] >> 4) << j;
  std::memcpy(block.data() + at, &bits, 4);
}

/// Eight scales and minima of 6 bits in 12 bytes.
void putScales12(std::vector<uint8_t>& block, size_t at, const Drawn& drawn) {
  for (size_t j = 0; j < 4; ++j) {
    block[at + j] = static_cast<uint8_t>(drawn.scales[j] | (drawn.scales[j + 4] & 48) << 2);
    block[at + 4 + j] = static_cast<uint8_t>(drawn.minima[j] | (drawn.minima[j + 4] & 48) << 2);
    block[at + 8 + j] = static_cast<uint8_t>((drawn.scales[j + 4] & 15) | (drawn.minima[j + 4] & 15) << 4);
  }
}

}  // namespace

TEST_CASE("values: plain types") {
  std::vector<double> doubles = {0.1, -1e300, 1e-320, std::nan(""), INFINITY, 16777217.0};
  std::vector<uint8_t> bytes(1 + doubles.size() * 8);
  std::memcpy(bytes.data() + 1, doubles.data(), doubles.size() * 8);  // not aligned
  std::vector<float> out(doubles.size());
  REQUIRE(toFloats(TensorType::F64, reinterpret_cast<const std::byte*>(bytes.data()) + 1, 6, out.data()));
  CHECK(out[0] == 0.1f);
  CHECK(out[1] == -INFINITY);
  CHECK(out[2] == 0.0f);
  CHECK(std::isnan(out[3]));
  CHECK(out[5] == 16777216.0f);
  std::vector<float> floats = {1.5f, std::bit_cast<float>(0x7fc12345u), -0.0f};
  REQUIRE(toFloats(TensorType::F32, reinterpret_cast<const std::byte*>(floats.data()), 3, out.data()));
  CHECK(std::memcmp(out.data(), floats.data(), 12) == 0);
  CHECK(decoded(TensorType::F16, {0x00, 0x3c, 0x00, 0xfc, 0x01, 0x00}) == std::vector<float>{1.0f, -INFINITY, 0x1p-24f});
  CHECK(decoded(TensorType::BF16, {0x80, 0x3f, 0x01, 0x00}) == std::vector<float>{1.0f, std::bit_cast<float>(0x10000u)});
}

TEST_CASE("values: blocks of 32 are their formulas, bit for bit") {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    Drawn a = draw(random, 4, 6), b = draw(random, 5, 6), c = draw(random, 8, 6);
    std::vector<uint8_t> block(18);
    putHalfAt(block, 0, a.d);
    putNibbles(block, 2, a.q.data());
    auto at = [](uint16_t half) { return valueOfHalf(half); };
    checkBlock(TensorType::Q4_0, block, [&](int i) { return at(a.d) * (a.q[static_cast<size_t>(i)] - 8); });
    static constexpr int kCodes[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    checkBlock(TensorType::IQ4_NL, block, [&](int i) { return at(a.d) * kCodes[a.q[static_cast<size_t>(i)]]; });
    block.assign(20, 0);
    putHalfAt(block, 0, a.d);
    putHalfAt(block, 2, a.m);
    putNibbles(block, 4, a.q.data());
    checkBlock(TensorType::Q4_1, block, [&](int i) { return at(a.d) * a.q[static_cast<size_t>(i)] + at(a.m); });
    block.assign(22, 0);
    putHalfAt(block, 0, b.d);
    putFifthBits(block, 2, b.q.data());
    putNibbles(block, 6, b.q.data());
    checkBlock(TensorType::Q5_0, block, [&](int i) { return at(b.d) * (b.q[static_cast<size_t>(i)] - 16); });
    block.assign(24, 0);
    putHalfAt(block, 0, b.d);
    putHalfAt(block, 2, b.m);
    putFifthBits(block, 4, b.q.data());
    putNibbles(block, 8, b.q.data());
    checkBlock(TensorType::Q5_1, block, [&](int i) { return at(b.d) * b.q[static_cast<size_t>(i)] + at(b.m); });
    block.assign(34, 0);
    putHalfAt(block, 0, c.d);
    for (size_t i = 0; i < 32; ++i) block[2 + i] = static_cast<uint8_t>(c.q[i]);
    checkBlock(TensorType::Q8_0, block, [&](int i) { return at(c.d) * static_cast<int8_t>(c.q[static_cast<size_t>(i)]); });
  }
}

TEST_CASE("values: blocks of 256 are their formulas, bit for bit") {
  std::mt19937 random(2);
  auto at = [](uint16_t half) { return valueOfHalf(half); };
  for (int round = 0; round < 100; ++round) {
    // q2_K: 16 parts of 16; byte l of each half of 32 holds l, l + 32, l + 64, l + 96.
    Drawn two = draw(random, 2, 4);
    std::vector<uint8_t> block(84);
    for (size_t part = 0; part < 16; ++part) block[part] = static_cast<uint8_t>(two.scales[part] | two.minima[part] << 4);
    for (size_t half = 0; half < 2; ++half)
      for (size_t group = 0; group < 4; ++group)
        for (size_t l = 0; l < 32; ++l)
          block[16 + 32 * half + l] |= static_cast<uint8_t>(two.q[128 * half + 32 * group + l] << (2 * group));
    putHalfAt(block, 80, two.d);
    putHalfAt(block, 82, two.m);
    checkBlock(TensorType::Q2_K, block, [&](int i) {
      return at(two.d) * two.scales[static_cast<size_t>(i) / 16] * two.q[static_cast<size_t>(i)] -
             at(two.m) * two.minima[static_cast<size_t>(i) / 16];
    });

    // q3_K: the low pairs as q2_K's; the high bit of element 32 g + l is bit g of byte l; scales of 6 bits less 32.
    Drawn three = draw(random, 3, 6);
    block.assign(110, 0);
    for (size_t half = 0; half < 2; ++half)
      for (size_t group = 0; group < 4; ++group)
        for (size_t l = 0; l < 32; ++l) {
          int q = three.q[128 * half + 32 * group + l];
          block[32 + 32 * half + l] |= static_cast<uint8_t>((q & 3) << (2 * group));
          block[l] |= static_cast<uint8_t>((q >> 2) << (4 * half + group));
        }
    for (size_t part = 0; part < 16; ++part) {
      block[96 + part % 8] |= static_cast<uint8_t>((three.scales[part] & 15) << (part < 8 ? 0 : 4));
      block[104 + part % 4] |= static_cast<uint8_t>((three.scales[part] >> 4) << (2 * (part / 4)));
    }
    putHalfAt(block, 108, three.d);
    checkBlock(TensorType::Q3_K, block, [&](int i) {
      return static_cast<double>(static_cast<float>(at(three.d)) * static_cast<float>(three.scales[static_cast<size_t>(i) / 16] - 32) *
                                 static_cast<float>(three.q[static_cast<size_t>(i)] - 4));
    });

    // q4_K, q5_K: 8 parts of 32; 32 bytes hold two parts.
    Drawn four = draw(random, 4, 6), five = draw(random, 5, 6);
    auto formula = [&](const Drawn& drawn, int i) {
      auto part = static_cast<size_t>(i) / 32;
      return at(drawn.d) * drawn.scales[part] * drawn.q[static_cast<size_t>(i)] - at(drawn.m) * drawn.minima[part];
    };
    block.assign(144, 0);
    putHalfAt(block, 0, four.d);
    putHalfAt(block, 2, four.m);
    putScales12(block, 4, four);
    for (size_t pair = 0; pair < 4; ++pair)
      for (size_t l = 0; l < 32; ++l)
        block[16 + 32 * pair + l] = static_cast<uint8_t>(four.q[64 * pair + l] | four.q[64 * pair + 32 + l] << 4);
    checkBlock(TensorType::Q4_K, block, [&](int i) { return formula(four, i); });
    block.assign(176, 0);
    putHalfAt(block, 0, five.d);
    putHalfAt(block, 2, five.m);
    putScales12(block, 4, five);
    for (size_t pair = 0; pair < 4; ++pair)
      for (size_t l = 0; l < 32; ++l) {
        int first = five.q[64 * pair + l], second = five.q[64 * pair + 32 + l];
        block[48 + 32 * pair + l] = static_cast<uint8_t>((first & 15) | (second & 15) << 4);
        block[16 + l] |= static_cast<uint8_t>((first >> 4) << (2 * pair) | (second >> 4) << (2 * pair + 1));
      }
    checkBlock(TensorType::Q5_K, block, [&](int i) { return formula(five, i); });

    // q6_K: each half of 128: nibbles of l and l + 64, of l + 32 and l + 96; four pairs of bits a byte.
    Drawn six = draw(random, 6, 8);
    block.assign(210, 0);
    for (size_t half = 0; half < 2; ++half)
      for (size_t l = 0; l < 32; ++l) {
        const int* q = six.q.data() + 128 * half + l;
        block[64 * half + l] = static_cast<uint8_t>((q[0] & 15) | (q[64] & 15) << 4);
        block[64 * half + 32 + l] = static_cast<uint8_t>((q[32] & 15) | (q[96] & 15) << 4);
        block[128 + 32 * half + l] = static_cast<uint8_t>(q[0] >> 4 | (q[32] >> 4) << 2 | (q[64] >> 4) << 4 | (q[96] >> 4) << 6);
      }
    for (size_t part = 0; part < 16; ++part) block[192 + part] = static_cast<uint8_t>(six.scales[part]);
    putHalfAt(block, 208, six.d);
    checkBlock(TensorType::Q6_K, block, [&](int i) {
      return static_cast<double>(static_cast<float>(at(six.d)) *
                                 static_cast<float>(static_cast<int8_t>(six.scales[static_cast<size_t>(i) / 16])) *
                                 static_cast<float>(six.q[static_cast<size_t>(i)] - 32));
    });

    // iq4_xs: 8 parts of 32, each with nibbles as the small types have them; scales of 6 bits less 32.
    Drawn code = draw(random, 4, 6);
    static constexpr int kCodes[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    block.assign(136, 0);
    putHalfAt(block, 0, code.d);
    for (size_t part = 0; part < 8; ++part) {
      block[4 + part / 2] |= static_cast<uint8_t>((code.scales[part] & 15) << (4 * (part % 2)));
      block[2 + part / 4] |= static_cast<uint8_t>((code.scales[part] >> 4) << (2 * (part % 4)));
      putNibbles(block, 8 + 16 * part, code.q.data() + 32 * part);
    }
    checkBlock(TensorType::IQ4_XS, block, [&](int i) {
      return static_cast<double>(static_cast<float>(at(code.d)) * static_cast<float>(code.scales[static_cast<size_t>(i) / 32] - 32) *
                                 static_cast<float>(kCodes[code.q[static_cast<size_t>(i)]]));
    });
  }
}

TEST_CASE("values: several blocks, none, part of one; types without floats") {
  std::vector<uint8_t> blocks(34 * 3, 0);
  for (size_t b = 0; b < 3; ++b) {
    blocks[34 * b + 1] = 0x3c;
    blocks[34 * b + 2] = static_cast<uint8_t>(b + 1);
  }
  auto values = decoded(TensorType::Q8_0, blocks);
  CHECK((values[0] == 1.0f && values[32] == 2.0f && values[64] == 3.0f && values[65] == 0.0f));
  const auto* bytes = reinterpret_cast<const std::byte*>(blocks.data());
  CHECK(toFloats(TensorType::Q8_0, bytes, 0, nullptr));
  CHECK(toFloats(TensorType::Q8_0, bytes, 31, values.data()).error().message ==
        "31 elements are no whole blocks of q8_0 (32 elements each)");
  CHECK(toFloats(TensorType::IQ2_XS, bytes, 256, values.data()).error().message == "iq2_xs is known but cannot be converted to floats");
  std::string convertible;
  for (const TensorTypeInfo& info : tensorTypes())
    if (checkConvertible(info.type)) convertible += fmt::format("{} ", info.name);
  CHECK(convertible == "f32 f16 bf16 f64 q4_0 q4_1 q5_0 q5_1 q8_0 q2_K q3_K q4_K q5_K q6_K iq4_nl iq4_xs tq1_0 tq2_0 mxfp4 ");
}

TEST_CASE("encoders: within their steps, reference rounding, refusals") {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  std::vector<float> values(1024), back(1024);
  for (float& value : values) value = normal(random);
  values[3] = 0.5f;  // an outlier in the first part
  for (size_t i = 512; i < 768; ++i) values[i] = 0;
  for (size_t i = 768; i < 1024; ++i) values[i] = 0.25f;
  struct Bound {
    TensorType type;
    double steps;  // of a part's range
  };
  for (auto [type, steps] : {Bound{TensorType::Q8_0, 1.0 / 254}, Bound{TensorType::Q4_0, 1.0 / 14}, Bound{TensorType::Q4_K, 1.0 / 16},
                             Bound{TensorType::Q6_K, 1.0 / 56}, Bound{TensorType::Q4_1, 1.0 / 20}, Bound{TensorType::Q5_1, 1.0 / 50},
                             Bound{TensorType::Q5_0, 1.0 / 25}, Bound{TensorType::Q5_K, 1.0 / 45}, Bound{TensorType::Q2_K, 1.0 / 4},
                             Bound{TensorType::Q3_K, 1.0 / 6}, Bound{TensorType::IQ4_NL, 1.0 / 8}, Bound{TensorType::IQ4_XS, 1.0 / 8},
                             Bound{TensorType::MXFP4, 1.0 / 6}}) {
    std::vector<std::byte> bytes(static_cast<size_t>(*rowBytes(type, 1024)));
    REQUIRE(fromFloats(type, values.data(), 1024, bytes.data()));
    REQUIRE(toFloats(type, bytes.data(), 1024, back.data()));
    for (size_t first = 0; first < 1024; first += 256) {
      float low = 0, high = 0;
      for (size_t i = first; i < first + 256; ++i) {
        low = std::min(low, values[i]);
        high = std::max(high, values[i]);
      }
      for (size_t i = first; i < first + 256; ++i) {
        INFO(nameOf(type) << " element " << i << ": " << values[i] << " became " << back[i]);
        REQUIRE(std::fabs(values[i] - back[i]) <=
                steps * 1.02 * static_cast<double>(high - low) * (low < 0 && type == TensorType::Q4_0 ? 1.2 : 1.0));
      }
    }
  }
  // The reference's rounding, from its formulas.
  std::vector<std::byte> q8(34), q4(18);
  std::vector<float> ramp(32);
  for (size_t i = 0; i < 32; ++i) ramp[i] = static_cast<float>(i) * 0.37f - 6.1f;
  REQUIRE(fromFloats(TensorType::Q8_0, ramp.data(), 32, q8.data()));
  float d = 6.1f / 127.0f;
  for (size_t i = 0; i < 32; ++i)
    CHECK(static_cast<int>(static_cast<int8_t>(q8[2 + i])) == static_cast<int>(std::round(ramp[i] * (1.0f / d))));
  REQUIRE(fromFloats(TensorType::Q4_0, ramp.data(), 32, q4.data()));
  float step = ramp[0] / -8.0f;
  for (size_t i = 0; i < 16; ++i) {
    CHECK(std::to_integer<int>(q4[2 + i] & std::byte{15}) == std::min(15, static_cast<int>(ramp[i] * (1.0f / step) + 8.5f)));
    CHECK(std::to_integer<int>(q4[2 + i] >> 4) == std::min(15, static_cast<int>(ramp[i + 16] * (1.0f / step) + 8.5f)));
  }
  std::vector<float> bad(256, 1.0f);
  std::vector<std::byte> out(256);
  bad[40] = NAN;
  CHECK(fromFloats(TensorType::Q8_0, bad.data(), 64, out.data()).error().message == "element 40 is nan: q8_0 holds finite numbers only");
  bad[40] = 1e30f;
  CHECK(fromFloats(TensorType::Q4_0, bad.data(), 64, out.data()).error().message ==
        "elements 32 to 63 are too large for q4_0: f16 cannot hold their scale");
  CHECK(fromFloats(TensorType::F16, bad.data(), 41, out.data()).error().message == "element 40 is 1e+30, f16 ends at 65504");
  CHECK(!fromFloats(TensorType::Q4_K, bad.data(), 256, out.data()));
  CHECK(!fromFloats(TensorType::Q6_K, bad.data(), 256, out.data()));
  for (TensorType type : {TensorType::Q4_1, TensorType::Q5_0, TensorType::Q2_K, TensorType::Q3_K, TensorType::Q5_K, TensorType::IQ4_XS})
    CHECK(fromFloats(type, bad.data(), 256, out.data()).error().message.ends_with("f16 cannot hold their scale"));
  CHECK(fromFloats(TensorType::MXFP4, bad.data(), 256, out.data()));  // a power of two holds it
  CHECK(fromFloats(TensorType::IQ2_XS, bad.data(), 256, out.data()).error().message ==
        "iq2_xs is not written; f32 f64 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q2_K q3_K q4_K q5_K q6_K iq4_nl iq4_xs mxfp4 are");
  CHECK(fromFloats(TensorType::Q4_0, bad.data(), 33, out.data()).error().message ==
        "33 elements are no whole blocks of q4_0 (32 elements each)");
}

TEST_CASE("encoders: tiny, denormal and zero blocks stay numbers") {
  std::vector<float> back(256);
  std::vector<std::byte> bytes(static_cast<size_t>(*rowBytes(TensorType::Q8_0, 256)));  // the largest of them
  for (float size : {0.0f, 1e-45f, 1e-39f, 1e-30f, 6e-8f, 1e-6f})
    for (TensorType type :
         {TensorType::Q8_0, TensorType::Q4_0, TensorType::Q4_K, TensorType::Q6_K, TensorType::Q4_1, TensorType::Q5_0, TensorType::Q5_1,
          TensorType::Q2_K, TensorType::Q3_K, TensorType::Q5_K, TensorType::IQ4_NL, TensorType::IQ4_XS, TensorType::MXFP4}) {
      std::vector<float> values(256, size);
      values[1] = -size;
      REQUIRE(fromFloats(type, values.data(), 256, bytes.data()));
      REQUIRE(toFloats(type, bytes.data(), 256, back.data()));
      for (size_t i = 0; i < 256; ++i) {
        INFO(nameOf(type) << " of " << size << ": " << back[i]);
        REQUIRE(std::isfinite(back[i]));
        REQUIRE(std::fabs(back[i]) <= 1e-5f + 2 * size);
      }
    }
}

}  // namespace quern
