// compiler/op/activations/Tanh.h — the hyperbolic tangent.
#pragma once

#include "compiler/op/Activation.h"
#include "compiler/op/activations/TailTables.h"

namespace quern::maths {

struct Tanh {
  static constexpr ActivationInfo kInfo = {.name = "tanh",
                                           .formula = "hyperbolic tangent",
                                           .derivative = "1 - tanh(x) * tanh(x)",
                                           .flops = 1,
                                           .ulps = 2,
                                           .own = {1.5, 1.5, 1.2},
                                           .form = "x + x^3 p(x^2) below 0.65, else 1 - 2 / (exp(2x) + 1)",
                                           .lookupForm = "a polynomial of degree 6 for each of 32 intervals of |x|"};
  static constexpr Shortcut kShortcut = {{0, 1, 0, -1.0 / 3, 0}, -20, Beyond::MinusOne, 20, Beyond::One};
  static double exact(double x) { return std::tanh(x); }
  static double slopeError(double /*x*/, double /*v*/, double e) { return e; }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    using V = typename M::Value;
    if (m.lookups()) return m.oddOfTable(x, tanhTable());
    constexpr std::array<float, 6> p = {2.30532535e-3f, -8.37684516e-3f, 2.17899438e-2f, -5.39643579e-2f, 0.133333504f, -0.333333343f};
    V a = m.let("tanh_a", m.abs(x));
    V square = m.let("tanh_s", x * x);
    V near = m.mulAdd(a * square, m.horner(square, p), a);
    V e = m.let("tanh_e", m.exp(m.let("tanh_2a", m.neg(a + a))));
    V far = m.number(x, 1.0f) - m.over(e + e, e + m.number(x, 1.0f));
    V sign = m.bitAnd(m.bits(x), m.integer(x, INT32_MIN));
    return m.floats(m.bitOr(m.bits(m.select(m.below(a, 0.65f), near, far)), sign));  // -0 stays -0
  }
};

}  // namespace quern::maths
