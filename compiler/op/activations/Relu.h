// compiler/op/activations/Relu.h — max(x, 0).
#pragma once

#include "compiler/op/Activation.h"

namespace quern::maths {

struct Relu {
  static constexpr ActivationInfo kInfo = {.name = "relu",
                                           .formula = "max(x, 0), NaN stays NaN",
                                           .derivative = "min(1, relu(x) * 3e38)",
                                           .flops = 1,
                                           .ulps = 0,
                                           .own = {0, 0, 0},
                                           .form = "x where it is not below 0"};
  static double exact(double x) { return x < 0 ? 0.0 : x; }
  static double slopeError(double /*x*/, double /*v*/, double e) { return e; }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    // max(x, 0) with x second where the comparison fails: a NaN stays.
    return m.select(m.below(x, 0.0f), m.number(x, 0.0f), x);
  }
};

}  // namespace quern::maths
