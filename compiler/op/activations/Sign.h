// compiler/op/activations/Sign.h — which side of 0 x is on.
#pragma once

#include "compiler/op/Activation.h"

namespace quern::maths {

struct Sign {
  static constexpr ActivationInfo kInfo = {.name = "sign",
                                           .formula = "1 above 0, -1 below 0, x itself where it is 0 or NaN",
                                           .derivative = "0",
                                           .flops = 1,
                                           .ulps = 0,
                                           .own = {0, 0, 0},
                                           .form = "two selects"};
  static double exact(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
  static double slopeError(double x, double v, double e) { return slopeOfRising<Sign>(x, v, e); }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    return m.select(m.below(x, 0.0f), m.number(x, -1.0f), m.select(m.less(m.number(x, 0.0f), x), m.number(x, 1.0f), x));
  }
};

}  // namespace quern::maths
