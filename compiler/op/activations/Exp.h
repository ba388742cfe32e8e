// compiler/op/activations/Exp.h — e^x.
#pragma once

#include "compiler/op/Activation.h"

namespace quern::maths {

struct Exp {
  static constexpr ActivationInfo kInfo = {.name = "exp",
                                           .formula = "e^x",
                                           .derivative = "exp(x)",
                                           .flops = 1,
                                           .ulps = 2,
                                           .own = {1.0, 1.0, 1.0},
                                           .form = "x = n ln2 + r, 2^n (1 + r + r^2 q(r)), q of degree 5 on |r| <= 0.3467"};
  static constexpr Shortcut kShortcut = {{1, 1, 1.0 / 2, 1.0 / 6, 1.0 / 24}, -150, Beyond::Zero, 89, Beyond::Infinity};
  static double exact(double x) { return std::exp(x); }
  static double slopeError(double /*x*/, double v, double e) { return v * std::expm1(e); }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    return m.exp(x);
  }
};

}  // namespace quern::maths
