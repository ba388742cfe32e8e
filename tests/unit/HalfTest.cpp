// tests/unit/HalfTest.cpp — halves and bfloats over all their patterns, and every float around which they round.
#include "compiler/base/Half.h"

#include <catch2/catch.hpp>

#include <cmath>

using namespace quern;

namespace {

/// The value of a half as IEEE 754 writes it, in double.
double halfFormula(uint16_t half) {
  int exponent = (half >> 10) & 31, fraction = half & 1023;
  double sign = (half & 0x8000) != 0 ? -1 : 1;
  if (exponent == 31) return fraction != 0 ? std::nan("") : sign * INFINITY;
  return exponent == 0 ? sign * std::ldexp(fraction, -24) : sign * std::ldexp(1024 + fraction, exponent - 25);
}

uint32_t bitsOf(float value) { return std::bit_cast<uint32_t>(value); }

}  // namespace

TEST_CASE("halves: all 65536 are what IEEE 754 says, and come back") {
  for (uint32_t pattern = 0; pattern < 65536; ++pattern) {
    auto half = static_cast<uint16_t>(pattern);
    float value = floatOfHalf(half);
    double expected = halfFormula(half);
    if (std::isnan(expected)) {  // quiet, with its sign and payload
      REQUIRE(bitsOf(value) == ((pattern & 0x8000) << 16 | 0x7fc00000 | (pattern & 0x3ff) << 13));
      REQUIRE(halfOfFloat(value) == (pattern | 0x200));
      continue;
    }
    REQUIRE(static_cast<double>(value) == expected);
    REQUIRE(std::signbit(value) == ((half & 0x8000) != 0));
    REQUIRE(halfOfFloat(value) == half);
  }
}

TEST_CASE("halves: floats become the nearest one, ties the even one") {
  for (uint32_t pattern = 0; pattern < 0x7bff; ++pattern) {
    auto low = static_cast<uint16_t>(pattern), high = static_cast<uint16_t>(pattern + 1);
    auto middle = static_cast<float>((halfFormula(low) + halfFormula(high)) / 2);  // exact: one bit more
    uint16_t even = pattern % 2 == 0 ? low : high;
    REQUIRE(halfOfFloat(middle) == even);
    REQUIRE(halfOfFloat(-middle) == (even | 0x8000));
    REQUIRE(halfOfFloat(std::nextafter(middle, 0.0f)) == low);
    REQUIRE(halfOfFloat(std::nextafter(middle, INFINITY)) == high);
  }
  CHECK(halfOfFloat(65519.996f) == 0x7bff);
  CHECK(halfOfFloat(65520.0f) == 0x7c00);
  CHECK(halfOfFloat(-1e30f) == 0xfc00);
  CHECK(halfOfFloat(INFINITY) == 0x7c00);
  CHECK(halfOfFloat(1e-30f) == 0);
  CHECK(halfOfFloat(-1e-30f) == 0x8000);
  CHECK(halfOfFloat(std::bit_cast<float>(1u)) == 0);
  CHECK(halfOfFloat(std::bit_cast<float>(0x7f800001u)) == 0x7e00);
  CHECK(halfOfFloat(std::bit_cast<float>(0xffffffffu)) == 0xffff);
}

TEST_CASE("bfloats: the upper halves of floats, rounded to nearest even") {
  for (uint32_t pattern = 0; pattern < 65536; ++pattern) {
    auto bfloat = static_cast<uint16_t>(pattern);
    float value = floatOfBfloat(bfloat);
    REQUIRE(bitsOf(value) == pattern << 16);
    if (std::isnan(value)) {
      REQUIRE(bfloatOfFloat(value) == (pattern | 0x40));
      continue;
    }
    REQUIRE(bfloatOfFloat(value) == bfloat);
    if (!std::isfinite(value)) continue;
    float middle = std::bit_cast<float>(pattern << 16 | 0x8000);
    auto next = static_cast<uint16_t>(bfloat + 1);
    REQUIRE(bfloatOfFloat(middle) == (bfloat % 2 == 0 ? bfloat : next));
    REQUIRE(bfloatOfFloat(std::bit_cast<float>((pattern << 16 | 0x8000) - 1)) == bfloat);
    REQUIRE(bfloatOfFloat(std::bit_cast<float>((pattern << 16 | 0x8000) + 1)) == next);
  }
  CHECK(std::isnan(floatOfBfloat(bfloatOfFloat(std::bit_cast<float>(0x7f800001u)))));
}
