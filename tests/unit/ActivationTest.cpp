// tests/unit/ActivationTest.cpp — what a file of op/activations/ says of its function fits together: names, derivative, shortcut, errors.
#include "compiler/Activations.h"
#include "compiler/op/OpDesc.h"
#include "compiler/reference/ScalarReference.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <string>

using namespace quern;

namespace {

/// The derivative's expression at x, in double.
double derivativeAt(const ActivationInfo& info, double x) {
  auto expr = parseScalarExpr(info.derivative);
  INFO(info.name << "': " << info.derivative << (expr ? "" : ": " + expr.error().message));
  REQUIRE(expr);
  return evaluate(**expr,
                  [&](const std::string& name) {
                    REQUIRE(name == "x");
                    return Bounded{x, 0};
                  })
      .value;
}

template <class Fn>
void checkDerivative() {
  constexpr double kStep = 0x1p-16;
  for (double x = Fn::exact(-1.0) == Fn::exact(-1.0) ? -7.03 : 0.07; x < 7; x += 0.13) {
    if (Fn::kInfo.internal && x > 0) break;
    double slope = (Fn::exact(x + kStep) - Fn::exact(x - kStep)) / (2 * kStep), said = derivativeAt(Fn::kInfo, x);
    if (std::fabs(slope) > 1e4) continue;  // a step of floor and its kind
    INFO(Fn::kInfo.name << " at " << x << " rises by " << slope << ", its derivative says " << said);
    CHECK(std::fabs(said - slope) <= 1e-5 * (1 + std::fabs(slope)));
  }
}

template <class Fn>
void checkShortcut() {
  if constexpr (requires { Fn::kShortcut; }) {
    constexpr Shortcut kShort = Fn::kShortcut;
    for (double x : {-0x1p-10, -0x1p-11, 0x1p-20, 0x1p-11, 0x1p-10}) {
      const auto& c = kShort.near;
      double near = c[0] + x * (c[1] + x * (c[2] + x * (c[3] + x * c[4]))), exact = Fn::exact(x);
      INFO(Fn::kInfo.name << " near 0 at " << x << ": " << near << " for " << exact);
      CHECK(std::fabs(near - exact) <= 0x1p-40 * std::fabs(exact));
    }
    auto value = [](Beyond what, double x) {
      return what == Beyond::Zero ? 0 : what == Beyond::One ? 1 : what == Beyond::MinusOne ? -1 : what == Beyond::Argument ? x : INFINITY;
    };
    double low = Fn::exact(kShort.low), high = Fn::exact(kShort.high);
    INFO(Fn::kInfo.name << " is " << low << " at " << kShort.low << ", " << high << " at " << kShort.high);
    CHECK(std::fabs(low - value(kShort.below, kShort.low)) <= (kShort.below == Beyond::Zero ? 0x1p-190 : 0x1p-53));
    if (kShort.above == Beyond::Infinity) CHECK(high > 0x1p128);
    else CHECK(std::fabs(high - value(kShort.above, kShort.high)) <= 0x1p-52 * std::fabs(high));
  }
}

/// No argument within e of x changes the value by more than slopeError says.
template <class Fn>
void checkSlope() {
  for (double x = Fn::exact(-1.0) == Fn::exact(-1.0) ? -6.03 : 0.77; x < 6; x += 0.37)
    for (double e : {1e-7, 1e-3, 0.5}) {
      double v = Fn::exact(x), most = Fn::slopeError(x, v, e);
      for (double at : {x - e, x - e / 2, x + e / 2, x + e}) {
        INFO(Fn::kInfo.name << " from " << x << " to " << at);
        CHECK(std::fabs(Fn::exact(at) - v) <= most * (1 + 1e-6) + 1e-15);
      }
    }
}

}  // namespace

TEST_CASE("what is said of each activation fits together") {
  int count = 0;
#define QUERN_FN(Name)            \
  checkDerivative<maths::Name>(); \
  checkShortcut<maths::Name>();   \
  checkSlope<maths::Name>();      \
  ++count;
  QUERN_ACTIVATIONS(QUERN_FN)
#undef QUERN_FN
  CHECK(count >= 21);
}

TEST_CASE("an activation's name is an op, an expression and an epilogue") {
  for (const ScalarFnInfo& fn : scalarFns()) {
    if (fn.arity != 1) continue;
    std::string name(fn.name);
    for (const std::string& given : {"map expr=" + name + "(x) x=5", "matmul m=2 n=3 k=4 ep=bias+" + name}) {
      auto parsed = parseOp(given);
      INFO(given << (parsed ? "" : ": " + parsed.error().message));
      REQUIRE(parsed);
      auto again = parseOp(text(*parsed));
      REQUIRE(again);
      CHECK(text(*again) == text(*parsed));
    }
  }
  CHECK(findScalarFn("decay") == nullptr);  // loop programs only
}
