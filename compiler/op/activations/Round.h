// compiler/op/activations/Round.h — the nearest whole number, even half way.
#pragma once

#include "compiler/op/Activation.h"

namespace quern::maths {

struct Round {
  static constexpr ActivationInfo kInfo = {.name = "round",
                                           .formula = "the whole number next to x, the even one half way",
                                           .derivative = "0",
                                           .flops = 1,
                                           .ulps = 0,
                                           .own = {0, 0, 0},
                                           .form = "|x| + 2^23 - 2^23 with the sign of x"};
  static double exact(double x) { return std::nearbyint(x); }
  static double slopeError(double x, double v, double e) { return slopeOfRising<Round>(x, v, e); }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    return m.nearest(x);
  }
};

}  // namespace quern::maths
