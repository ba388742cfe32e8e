// compiler/op/activations/GeluTanh.h — the approximation of gelu_erf with a hyperbolic tangent.
#pragma once

#include "compiler/op/Activation.h"
#include "compiler/op/activations/Sigmoid.h"
#include "compiler/op/activations/TailTables.h"

namespace quern::maths {

struct GeluTanh {
  static constexpr ActivationInfo kInfo = {
      .name = "gelu_tanh",
      .formula = "x * (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2",
      .derivative =
          "0.5 * (1 + tanh(0.79788456080 * (x + 0.044715 * x * x * x))) + 0.5 * x * 0.79788456080 * (1 + 0.134145 * x * x) * "
          "(1 - tanh(0.79788456080 * (x + 0.044715 * x * x * x)) * tanh(0.79788456080 * (x + 0.044715 * x * x * x)))",
      .flops = 8,
      .ulps = 4,
      .tiny = 0x1p-26,
      .own = {3.3, 2.8, 1.9},
      .form = kGeluTail,
      .lookupForm = kGeluTable};
  static constexpr double kCubic = 0.044715;
  static constexpr Shortcut kShortcut = {{0, 0.5, kSqrt2OverPi / 2, 0, kSqrt2OverPi / 2 * (kCubic - kSqrt2OverPi * kSqrt2OverPi / 3)},
                                         -13,
                                         Beyond::Zero,
                                         10,
                                         Beyond::Argument};
  static double exact(double x) { return x * Sigmoid::exact(2 * std::sqrt(2 / M_PI) * (x + kCubic * x * x * x)); }
  static double slopeError(double /*x*/, double /*v*/, double e) { return 1.13 * e; }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    if (m.lookups()) return m.geluOfTable(x, geluTanhTail());
    // log2 of (1 - tanh(sqrt(2/pi) (a + 0.044715 a^3))) / 2 over its value at 1, as in gelu_erf.
    constexpr std::array<float, 12> logTail = {-1.17273949e-07f, 9.3720854e-07f,   6.11698226e-07f,  -2.28871850e-05f,
                                               2.90602109e-05f,  2.32268038e-04f,  -2.08204903e-04f, -3.04875453e-03f,
                                               -2.99152161e-04f, -3.13228294e-02f, -5.75422943e-01f, -2.19638419e+00f};
    constexpr std::array<float, 7> power = {2.5388068e-05f,  2.12839324e-04f, 1.52705156e-03f, 8.81435350e-03f,
                                            3.81499418e-02f, 1.10077329e-01f, 1.58808008e-01f};
    return m.geluOfTail(x, logTail, power, 6.0f);
  }
};

}  // namespace quern::maths
