// tests/numeric/PowTest.cpp — pow against long double on every level: bases and exponents over their whole range, near 1 with large
// exponents, results about to be denormal or infinite. Its special values: SpecialValuesTest.
#include "tests/numeric/KernelRuns.h"

#include <bit>
#include <iostream>
#include <random>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 41;
constexpr int64_t kCount = 60000;
constexpr double kMost = 0.52;  // ulp; 1 is declared

float anyFloat(std::mt19937_64& random) { return std::bit_cast<float>(static_cast<uint32_t>(random())); }

/// A base and an exponent of one of five kinds.
std::pair<float, float> pairOf(std::mt19937_64& random, int64_t i) {
  std::uniform_real_distribution<float> unit(-1, 1);
  float base = std::fabs(anyFloat(random));
  switch (i % 5) {
    case 0: return {anyFloat(random), anyFloat(random)};
    case 1: return {base, unit(random) * 2};
    case 2: return {1 + unit(random) * 0x1p-10f, std::ldexp(unit(random), 16)};  // a logarithm of few bits, times much
    case 3: return {-base, std::rint(unit(random) * 9)};
    default: break;
  }
  // Results near the ends of the range.
  float end = (random() % 2 == 0 ? 127.5f : -137.5f) + unit(random) * 12;
  return {base, end / std::log2(base)};
}

/// The float next to the exact value, and the distance between neighbours there.
double ulpAt(long double v) { return std::ldexp(1.0, std::max(std::ilogb(v), -126) - 23); }

struct Worst {
  double ulp = 0;
  int64_t at = -1, finite = 0;
};

Worst worstOf(const std::vector<float>& a, const std::vector<float>& b, const std::vector<float>& got) {
  Worst worst;
  for (size_t i = 0; i < got.size(); ++i) {
    long double want = powl(a[i], b[i]);
    auto rounded = static_cast<float>(want);
    INFO("pow(" << shortest(a[i]) << ", " << shortest(b[i]) << ") is " << shortest(got[i]) << " for " << shortest(rounded));
    REQUIRE(std::isnan(got[i]) == std::isnan(rounded));
    if (std::isnan(rounded)) continue;
    REQUIRE(std::signbit(got[i]) == std::signbit(rounded));
    if (std::isinf(got[i]) || std::isinf(rounded)) {
      REQUIRE(got[i] == rounded);
      continue;
    }
    ++worst.finite;
    double ulp = static_cast<double>(fabsl(got[i] - want)) / ulpAt(want == 0 ? 0x1p-149L : want);
    if (ulp > worst.ulp) worst.ulp = ulp, worst.at = static_cast<int64_t>(i);
  }
  return worst;
}

}  // namespace

TEST_CASE("pow keeps its bound") {
  std::mt19937_64 random(kSeed);
  std::vector<float> a, b;
  for (int64_t i = 0; i < kCount; ++i) {
    auto [base, exponent] = pairOf(random, i);
    a.push_back(base);
    b.push_back(exponent);
  }
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    KernelSet kernel = kernelOf(library, op("pow a=* b=*"));
    std::vector<float> out(a.size());
    const int64_t dims[] = {kCount};
    const Operand operands[] = {{a.data(), {}}, {b.data(), {}}, {out.data(), {}}};
    auto call = KernelCall::make(kernel, dims, operands, 1);
    REQUIRE(call);
    call->run();
    Worst worst = worstOf(a, b, out);
    auto at = static_cast<size_t>(std::max<int64_t>(worst.at, 0));
    std::cout << level.level << ": " << worst.ulp << " ulp at pow(" << shortest(a[at]) << ", " << shortest(b[at]) << "), " << worst.finite
              << " finite, seed " << kSeed << "\n";
    CHECK(worst.ulp <= kMost);
    CHECK(worst.finite > kCount / 2);
  }
}
