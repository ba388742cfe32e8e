// tests/numeric/TruthTest.cpp — FloatTruth against the same functions in long double, written down once more.
#include "compiler/reference/FloatTruth.h"
#include "compiler/reference/ScalarReference.h"

#include <catch2/catch.hpp>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

using namespace quern;

namespace {

const long double kPi = 3.14159265358979323846264338327950288L;

long double sigmoid(long double x) { return x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x)); }

long double longOf(ScalarFn fn, long double x) {
  switch (fn) {
    case ScalarFn::Neg: return -x;
    case ScalarFn::Abs: return fabsl(x);
    case ScalarFn::Relu: return x < 0 ? 0 : x;
    case ScalarFn::Sqrt: return static_cast<float>(sqrtl(x));
    case ScalarFn::Rsqrt: return 1 / sqrtl(x);
    case ScalarFn::Exp: return expl(x);
    case ScalarFn::Log: return logl(x);
    case ScalarFn::Tanh: return tanhl(x);
    case ScalarFn::Erf: return erfl(x);
    case ScalarFn::Sigmoid: return sigmoid(x);
    case ScalarFn::Silu: return x * sigmoid(x);
    case ScalarFn::GeluErf: return x * erfcl(-x / sqrtl(2)) / 2;
    case ScalarFn::GeluTanh: return x * sigmoid(2 * sqrtl(2 / kPi) * (x + 0.044715L * x * x * x));
    case ScalarFn::GeluSigmoid: return x * sigmoid(1.702L * x);
    case ScalarFn::Softplus: return x > 0 ? x + log1pl(expl(-x)) : log1pl(expl(x));
    case ScalarFn::Relu2: return x < 0 ? 0 : x * x;
    case ScalarFn::Floor: return floorl(x);
    case ScalarFn::Ceil: return ceill(x);
    case ScalarFn::Round: return rintl(x);
    case ScalarFn::Trunc: return truncl(x);
    case ScalarFn::Sign: return x < 0 ? -1 : x > 0 ? 1 : x;
    case ScalarFn::Sin: return sinl(x);
    case ScalarFn::Cos: return cosl(x);
    default: break;
  }
  FAIL("no function of one argument");
  return 0;
}

/// Every 100003rd float, and a dense stretch at each power of two and each end that FloatTruth.cpp names.
std::vector<float> places() {
  std::vector<float> x;
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 100003) x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  std::vector<float> ends = {6, 9, 10, 13, 18, 20, 24, 40, 88.722839f, 89, 90, 150, 0, 0x1p-126f, std::numeric_limits<float>::infinity()};
  for (int e = -24; e < 8; ++e) ends.push_back(std::ldexp(1.0f, e));
  for (float end : ends)
    for (float sign : {1.0f, -1.0f})
      for (int d = -8; d <= 8; ++d) x.push_back(std::bit_cast<float>(std::bit_cast<uint32_t>(sign * end) + static_cast<uint32_t>(d)));
  return x;
}

}  // namespace

TEST_CASE("the truth is as near as it says") {
  std::vector<float> x = places();
  std::vector<double> exact(x.size()), limit(x.size());
  size_t finite = 0;
  for (const ScalarFnInfo& each : scalarFns()) {
    if (each.arity != 1) continue;
    ScalarFn fn = each.fn;
    FloatTruth truth = truthOf(fn);
    CHECK(truth.name == info(fn).name);
    truth.fill(x, exact.data(), limit.data());
    long double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      long double want = longOf(fn, x[i]);
      INFO(truth.name << " of " << x[i] << " is " << static_cast<double>(want) << ", not " << exact[i]);
      if (std::isnan(want)) REQUIRE(std::isnan(exact[i]));
      else if (std::isinf(exact[i])) REQUIRE(want * (exact[i] > 0 ? 1 : -1) > 0x1.01p128L);
      else {
        long double error = fabsl(exact[i] - want), allowed = 0x1p-40L * fabsl(want) + 0x1p-200L;
        REQUIRE(error <= allowed);
        REQUIRE(limit[i] <= ownLimit(fn, exact[i]));
        REQUIRE(limit[i] >= ownLimit(fn, exact[i]) * (fn == ScalarFn::Sqrt ? 0 : 0.9999));
        worst = std::max(worst, error / allowed);
        ++finite;
      }
    }
    CHECK(worst < 0.5L);  // the bounds in FloatTruth.cpp add up to a quarter of what is claimed
  }
  CHECK(finite > 300000);
}

TEST_CASE("decay's truth is exp with its own limit") {
  FloatTruth truth = truthOfDecay();
  std::vector<float> x = {0, -1, -80, -87.33654f, -87.3366f, -1000};
  std::vector<double> exact(x.size()), limit(x.size());
  truth.fill(x, exact.data(), limit.data());
  for (size_t i = 0; i < x.size(); ++i) {
    double power = std::exp(static_cast<double>(x[i]));
    double want = i < 4 ? (2 - 0.1 * x[i]) * 0x1p-23 * power : 0x1p-126;
    CHECK(std::fabs(exact[i] - power) <= 0x1p-40 * power + 0x1p-200);
    CHECK(limit[i] <= want);
    CHECK(limit[i] > 0.9999 * want);
  }
  CHECK(truth.takes(-0.0f));
  CHECK(truth.takes(-INFINITY));
  CHECK(truth.takes(NAN));
  CHECK_FALSE(truth.takes(0x1p-149f));
}
