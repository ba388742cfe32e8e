// compiler/op/activations/Decay.h — exp of what is not above 0, as softmax and attention take it: no word of the expression language.
#pragma once

#include "compiler/op/Activation.h"

namespace quern::maths {

struct Decay {
  static constexpr ActivationInfo kInfo = {
      .name = "decay",
      .formula = "e^x of x <= 0",
      .derivative = "exp(x)",
      .flops = 1,
      .ulps = 2,
      .own = {5.0, 2.5, 5.0},
      .form = "exp of x <= 0: 2^n p(x - n ln2), p of degree 5; 0 below -126 ln2; within (2 + 0.1 |x|) eps",
      .internal = true};
  static constexpr Shortcut kShortcut = {{1, 1, 1.0 / 2, 1.0 / 6, 1.0 / 24}, -150, Beyond::Zero, 89, Beyond::Infinity};
  static double exact(double x) { return std::exp(x); }
  static double slopeError(double /*x*/, double v, double e) { return v * std::expm1(e); }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    using V = typename M::Value;
    constexpr float kLog2e = 1.44269504f;
    constexpr float kMagic = 12582912.0f + 127;  // rounds to an integer; the low bits are then the exponent field of 2^n
    constexpr float kLn2 = 0.693147182f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
    constexpr std::array<float, 6> e = {8.28929525e-3f, 4.18978259e-2f, 0.166676521f, 0.499991506f, 0.999999702f, 1.0f};
    V shifted = m.let("decay_t", m.mulAdd(x, m.number(x, kLog2e), m.number(x, kMagic)));
    V n = m.let("decay_n", shifted - m.number(x, kMagic));
    V r = m.hasFma() ? m.mulAdd(n, m.number(x, -kLn2), x) : x - n * m.number(x, kLn2High) - n * m.number(x, kLn2Low);
    V power = m.floats(m.shiftLeft(m.bits(shifted), 23));
    // Beyond -126 ln 2 the power is no float; a NaN fails the comparison and comes out of the product.
    return m.select(m.below(x, -87.33654f), m.number(x, 0.0f), m.horner(m.let("decay_r", r), e) * power);
  }
};

}  // namespace quern::maths
