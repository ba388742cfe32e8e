// compiler/op/activations/Softplus.h — log(1 + e^x): a relu without its corner.
#pragma once

#include "compiler/op/Activation.h"

namespace quern::maths {

struct Softplus {
  static constexpr ActivationInfo kInfo = {.name = "softplus",
                                           .formula = "log(1 + exp(x))",
                                           .derivative = "sigmoid(x)",
                                           .flops = 3,
                                           .ulps = 2,
                                           .own = {1.9, 1.9, 1.9},
                                           .form = "max(x, 0) + log(1 + e), e = exp(-|x|), as log has it, 1 + e never formed",
                                           .together = 4};
  static constexpr Shortcut kShortcut = {{0.69314718055994530942, 0.5, 0.125, 0, -1.0 / 192}, -150, Beyond::Zero, 40, Beyond::Argument};
  static double exact(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
  static double slopeError(double /*x*/, double /*v*/, double e) { return e; }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    using V = typename M::Value;
    V e = m.let("soft_e", m.exp(m.let("soft_n", m.neg(m.abs(x))), {}, M::Accuracy::High));
    return m.select(m.below(x, 0.0f), m.number(x, 0.0f), x) + m.logOfOnePlus(e);
  }
};

}  // namespace quern::maths
