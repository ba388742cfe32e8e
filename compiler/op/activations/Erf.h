// compiler/op/activations/Erf.h — the error function.
#pragma once

#include "compiler/op/Activation.h"

namespace quern::maths {

struct Erf {
  static constexpr ActivationInfo kInfo = {.name = "erf",
                                           .formula = "2/sqrt(pi) * integral of exp(-t^2) from 0 to x",
                                           .derivative = "1.1283791671 * exp(neg(x * x))",
                                           .flops = 1,
                                           .ulps = 2,
                                           .own = {1.2, 1.2, 1.2},
                                           .form = "x + x p(x^2) below 0.85, else 1 - exp(-q(x)), q the fit of -log erfc on [0.83, 4.1]",
                                           .together = 4};
  static constexpr Shortcut kShortcut = {{0, kTwoOverSqrtPi, 0, -kTwoOverSqrtPi / 3, 0}, -6, Beyond::MinusOne, 6, Beyond::One};
  static double exact(double x) { return std::erf(x); }
  static double slopeError(double /*x*/, double /*v*/, double e) { return 1.13 * e; }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    using V = typename M::Value;
    V a = m.let("erf_a", m.abs(x));
    V far = m.number(x, 1.0f) - complementOf(m, a);
    V sign = m.bitAnd(m.bits(x), m.integer(x, INT32_MIN));
    return m.select(m.below(a, 0.85f), near(m, x), m.floats(m.bitOr(m.bits(far), sign)));
  }

private:
  template <class M>
  static auto near(const M& m, const typename M::Value& x) {
    constexpr std::array<float, 7> p = {8.21992653e-5f, -8.10708618e-4f, 5.19789057e-3f, -2.68581267e-2f,
                                        0.112836719f,   -0.376126319f,   0.128379166f};
    typename M::Value square = m.let("erf_s", x * x);
    return m.mulAdd(x, m.horner(square, p), x);
  }
  /// erfc(a) for a >= 0.85, as erfc(1.125) exp(-q(a - 1.125)).
  template <class M>
  static auto complementOf(const M& m, const typename M::Value& a) {
    using V = typename M::Value;
    constexpr float kErfcAtCentre = 0.111611769f;
    constexpr std::array<float, 10> q = {6.18359408e-8f, -8.14825569e-7f, 2.85849023e-6f, 1.78576538e-5f, -2.68396863e-4f,
                                         1.79997983e-3f, -8.85217544e-3f, 3.68416980e-2f, 0.857789814f,   2.85161662f};
    V b = m.let("erfc_b", a - m.number(a, 1.125f));
    // Beyond 9.5 erfc is below 2^-135: any exponent that large does, and a^2 grows for ever.
    V exponent = m.select(m.below(a, 9.5f), b * m.horner(b, q), a * a);
    return m.number(a, kErfcAtCentre) * m.exp(m.let("erfc_q", m.neg(exponent)));
  }
};

}  // namespace quern::maths
