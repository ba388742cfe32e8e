// compiler/op/activations/Floor.h — the whole number at or below x.
#pragma once

#include "compiler/op/Activation.h"

namespace quern::maths {

struct Floor {
  static constexpr ActivationInfo kInfo = {.name = "floor",
                                           .formula = "the whole number at or below x",
                                           .derivative = "0",
                                           .flops = 1,
                                           .ulps = 0,
                                           .own = {0, 0, 0},
                                           .form = "nearest even, less 1 where that is above x"};
  static double exact(double x) { return std::floor(x); }
  static double slopeError(double x, double v, double e) { return slopeOfRising<Floor>(x, v, e); }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    auto near = m.let("floor_n", m.nearest(x));
    return m.withSignOf(m.abs(m.select(m.less(x, near), near - m.number(x, 1.0f), near)), x);
  }
};

}  // namespace quern::maths
