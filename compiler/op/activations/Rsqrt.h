// compiler/op/activations/Rsqrt.h — one over the square root.
#pragma once

#include "compiler/op/Activation.h"

namespace quern::maths {

struct Rsqrt {
  static constexpr ActivationInfo kInfo = {.name = "rsqrt",
                                           .formula = "1 / sqrt(x)",
                                           .derivative = "neg(rsqrt(x)) / (2 * x)",
                                           .flops = 2,
                                           .ulps = 2,
                                           .own = {1.5, 1.5, 1.5},
                                           .form = "1 / sqrt(x), both rounded"};
  static double exact(double x) { return 1 / std::sqrt(x); }
  static double slopeError(double x, double v, double e) { return x > e ? 1 / std::sqrt(x - e) - v : INFINITY; }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    return m.number(x, 1) / m.sqrt(x);
  }
};

}  // namespace quern::maths
