// compiler/op/activations/GeluErf.h — x times the normal distribution function.
#pragma once

#include "compiler/op/Activation.h"
#include "compiler/op/activations/TailTables.h"

namespace quern::maths {

struct GeluErf {
  static constexpr ActivationInfo kInfo = {.name = "gelu_erf",
                                           .formula = "x * (1 + erf(x / sqrt 2)) / 2",
                                           .derivative = "0.5 * (1 + erf(x * 0.70710678119)) + 0.39894228040 * x * exp(neg(0.5 * x * x))",
                                           .flops = 5,
                                           .ulps = 4,
                                           .tiny = 0x1p-26,
                                           .own = {3.0, 2.7, 1.4},
                                           .form = kGeluTail,
                                           .lookupForm = kGeluTable,
                                           .together = 4};
  static constexpr Shortcut kShortcut = {{0, 0.5, kSqrt2OverPi / 2, 0, -kSqrt2OverPi / 12}, -18, Beyond::Zero, 9, Beyond::Argument};
  static double exact(double x) { return x * (0.5 * std::erfc(-x / std::sqrt(2.0))); }
  static double slopeError(double /*x*/, double /*v*/, double e) { return 1.13 * e; }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    if (m.lookups()) return m.geluOfTable(x, geluErfTail());
    // log2(Phi(-a) / Phi(-1)) / (a - 1), in a - 1; Phi(-1) 2^f
    constexpr std::array<float, 9> logTail = {3.5335509e-07f,  -3.9578335e-06f,  1.5398417e-05f,   1.5092262e-05f,  -5.8457977e-04f,
                                              4.76016849e-03f, -2.81169545e-02f, -5.77728987e-01f, -2.20030499e+00f};
    constexpr std::array<float, 7> power = {2.33618866e-05f, 2.12706887e-04f, 1.52647239e-03f, 8.80585052e-03f,
                                            3.81131321e-02f, 1.09971449e-01f, 1.58655256e-01f};
    return m.geluOfTail(x, logTail, power, 7.0f);
  }
};

}  // namespace quern::maths
