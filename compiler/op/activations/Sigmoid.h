// compiler/op/activations/Sigmoid.h — the logistic function.
#pragma once

#include "compiler/op/Activation.h"

namespace quern::maths {

struct Sigmoid {
  static constexpr ActivationInfo kInfo = {.name = "sigmoid",
                                           .formula = "1 / (1 + exp(-x))",
                                           .derivative = "sigmoid(x) * (1 - sigmoid(x))",
                                           .flops = 3,
                                           .ulps = 2,
                                           .own = {2.0, 2.0, 2.0},
                                           .form = "exp(-|x|) or 1, over 1 + exp(-|x|)"};
  static constexpr Shortcut kShortcut = {{0.5, 0.25, 0, -1.0 / 48, 0}, -150, Beyond::Zero, 40, Beyond::One};
  static double exact(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
  static double slopeError(double /*x*/, double /*v*/, double e) { return 0.25 * e; }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    using V = typename M::Value;
    // share / (1 + e), corrected for what 1 + e lost when it was rounded.
    V one = m.number(x, 1.0f);
    V negative = m.let("sig_neg", m.below(x, 0.0f));
    V e = m.let("sig_e", m.exp(m.let("sig_n", m.neg(m.abs(x))), {}, M::Accuracy::High));
    V sum = m.let("sig_d", one + e);
    V lost = e - (sum - one);
    V s = m.let("sig_s", m.over(m.select(negative, e, one), sum, M::Accuracy::High));
    V inverse = m.select(negative, one - s, s);
    return s - s * (lost * inverse);
  }
};

}  // namespace quern::maths
