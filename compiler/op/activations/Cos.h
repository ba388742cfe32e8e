// compiler/op/activations/Cos.h — the cosine of x, in radians; of any size.
#pragma once

#include "compiler/op/Activation.h"

namespace quern::maths {

struct Cos {
  static constexpr ActivationInfo kInfo = {.name = "cos",
                                           .formula = "cosine",
                                           .derivative = "neg(sin(x))",
                                           .flops = 1,
                                           .ulps = 2,
                                           .own = {1.5, 1.51, 1.5},
                                           .form = "x mod pi/2 in double, 2/pi to 128 bits; sine or cosine of the rest, of degree 9 or 10"};
  static double exact(double x) { return std::cos(x); }
  static double slopeError(double /*x*/, double /*v*/, double e) { return std::min(e, 2.0); }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    return m.sineOf(x, 1);
  }
};

}  // namespace quern::maths
