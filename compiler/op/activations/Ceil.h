// compiler/op/activations/Ceil.h — the whole number at or above x.
#pragma once

#include "compiler/op/Activation.h"

namespace quern::maths {

struct Ceil {
  static constexpr ActivationInfo kInfo = {.name = "ceil",
                                           .formula = "the whole number at or above x",
                                           .derivative = "0",
                                           .flops = 1,
                                           .ulps = 0,
                                           .own = {0, 0, 0},
                                           .form = "nearest even, and 1 where that is below x"};
  static double exact(double x) { return std::ceil(x); }
  static double slopeError(double x, double v, double e) { return slopeOfRising<Ceil>(x, v, e); }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    auto near = m.let("ceil_n", m.nearest(x));
    return m.withSignOf(m.abs(m.select(m.less(near, x), near + m.number(x, 1.0f), near)), x);
  }
};

}  // namespace quern::maths
