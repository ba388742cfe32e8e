// tests/files/EncodersTest.cpp — encoders that search against plain rounding; mxfp4's and the ternary types' values against their formulas.
#include "compiler/base/Half.h"
#include "models/files/WeightValues.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iostream>
#include <random>
#include <vector>

namespace quern {

TEST_CASE("encoders that search err no more than plain rounding would, on any numbers") {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0.0F, 0.02F);
  std::vector<float> values(64 * 256), back(values.size());
  for (float& each : values) each = normal(random);
  double squares = 0;
  for (float each : values) squares += double{each} * each;
  auto nmse = [&](TensorType type) {
    std::vector<std::byte> bytes(static_cast<size_t>(*rowBytes(type, static_cast<int64_t>(values.size()))));
    REQUIRE(fromFloats(type, values.data(), static_cast<int64_t>(values.size()), bytes.data()));
    REQUIRE(toFloats(type, bytes.data(), static_cast<int64_t>(values.size()), back.data()));
    double error = 0;
    for (size_t i = 0; i < values.size(); ++i) error += (double{back[i]} - values[i]) * (double{back[i]} - values[i]);
    return error / squares;
  };
  // Steps from the lowest value of each 32 to the highest, without a search.
  auto plain = [&](int steps, bool fromLargest) {
    double error = 0;
    for (size_t first = 0; first < values.size(); first += 32) {
      auto [low, high] = std::minmax_element(values.begin() + static_cast<std::ptrdiff_t>(first),
                                             values.begin() + static_cast<std::ptrdiff_t>(first) + 32);
      double most = std::fabs(*low) > *high ? *low : *high, d = fromLargest ? most / -(steps / 2) : (double{*high} - *low) / (steps - 1);
      for (size_t i = first; i < first + 32; ++i) {
        double q = fromLargest ? std::min<double>(std::floor(values[i] / d + steps / 2 + 0.5), steps - 1) - steps / 2
                               : std::round((values[i] - *low) / d);
        double off = (fromLargest ? d * q : d * q + *low) - values[i];
        error += off * off;
      }
    }
    return error / squares;
  };
  struct Row {
    TensorType type;
    double most;
  };
  // Of the rest: what a Gaussian's errors are with the best scale for so many levels in each part, and a little.
  for (auto [type, most] :
       {Row{TensorType::Q4_1, plain(16, false)}, Row{TensorType::Q5_1, plain(32, false)}, Row{TensorType::Q5_0, plain(32, true)},
        Row{TensorType::Q5_K, plain(32, false)}, Row{TensorType::IQ4_NL, plain(16, true)}, Row{TensorType::IQ4_XS, plain(16, true)},
        Row{TensorType::MXFP4, 0.013}, Row{TensorType::Q3_K, plain(8, true) / 1.4}, Row{TensorType::Q2_K, plain(4, false) / 1.9}}) {
    double own = nmse(type);
    INFO(nameOf(type) << ": " << own << ", at most " << most);
    std::cout << nameOf(type) << " " << own << " of at most " << most << "\n";
    CHECK(own <= most);
    CHECK(own > 1e-5);
  }
}

TEST_CASE("values: mxfp4 by its numbers of E2M1 and powers of two, the smallest and the largest too") {
  constexpr double kSizes[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  std::mt19937 random(2);
  for (int e : {0, 1, 2, 100, 127, 128, 254}) {
    std::vector<std::byte> block(17);
    block[0] = static_cast<std::byte>(e);
    for (size_t i = 1; i < 17; ++i) block[i] = static_cast<std::byte>(random());
    std::vector<float> values(32);
    REQUIRE(toFloats(TensorType::MXFP4, block.data(), 32, values.data()));
    for (size_t i = 0; i < 32; ++i) {
      int code = (std::to_integer<int>(block[1 + i % 16]) >> (i < 16 ? 0 : 4)) & 15;
      double value = std::ldexp(kSizes[code & 7], e - 127) * (code > 7 ? -1 : 1);
      INFO("e=" << e << " element " << i);
      CHECK(static_cast<double>(values[i]) == (std::fabs(value) >= 0x1p128 ? std::copysign(INFINITY, value) : value));
    }
  }
}

TEST_CASE("values: ternary types") {
  std::mt19937 random(3);
  std::vector<int> digits(256);
  for (int& each : digits) each = static_cast<int>(random() % 3);
  std::vector<float> values(256);
  uint16_t d = halfOfFloat(0.75F);
  auto expect = [&](TensorType type, const std::vector<std::byte>& block) {
    REQUIRE(toFloats(type, block.data(), 256, values.data()));
    for (size_t i = 0; i < 256; ++i) {
      INFO(nameOf(type) << " element " << i);
      CHECK(values[i] == 0.75F * static_cast<float>(digits[i] - 1));
    }
  };
  std::vector<std::byte> two(66), one(54);
  for (size_t i = 0; i < 256; ++i) two[32 * (i / 128) + i % 32] |= static_cast<std::byte>(digits[i] << (2 * (i / 32 % 4)));
  std::memcpy(two.data() + 64, &d, 2);
  expect(TensorType::TQ2_0, two);
  // A byte holds five digits as a part of 243, rounded up to a part of 256.
  auto put = [&](size_t byte, size_t first, size_t step, int count) {
    int number = 0;
    for (int i = 0; i < 5; ++i) number = 3 * number + (i < count ? digits[first + static_cast<size_t>(i) * step] : 0);
    one[byte] = static_cast<std::byte>((number * 256 + 242) / 243);
  };
  for (size_t m = 0; m < 32; ++m) put(m, m, 32, 5);
  for (size_t m = 0; m < 16; ++m) put(32 + m, 160 + m, 16, 5);
  for (size_t m = 0; m < 4; ++m) put(48 + m, 240 + m, 4, 4);
  std::memcpy(one.data() + 52, &d, 2);
  expect(TensorType::TQ1_0, one);
}

}  // namespace quern
