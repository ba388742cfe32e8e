// compiler/op/activations/Log.h — the natural logarithm.
#pragma once

#include "compiler/op/Activation.h"

namespace quern::maths {

struct Log {
  static constexpr ActivationInfo kInfo = {.name = "log",
                                           .formula = "natural logarithm",
                                           .derivative = "1 / x",
                                           .flops = 1,
                                           .ulps = 2,
                                           .own = {1.0, 1.0, 1.0},
                                           .form = "x = 2^e m, m in [sqrt 1/2, sqrt 2), e ln2 + f + f^2 q(f), f = m - 1, q of degree 9",
                                           .together = 4};
  static double exact(double x) { return std::log(x); }
  static double slopeError(double x, double /*v*/, double e) { return x > e ? std::log(x / (x - e)) : INFINITY; }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    return m.log(x);
  }
};

}  // namespace quern::maths
