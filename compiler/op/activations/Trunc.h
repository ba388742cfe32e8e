// compiler/op/activations/Trunc.h — x without its fraction.
#pragma once

#include "compiler/op/Activation.h"

namespace quern::maths {

struct Trunc {
  static constexpr ActivationInfo kInfo = {.name = "trunc",
                                           .formula = "x without its fraction",
                                           .derivative = "0",
                                           .flops = 1,
                                           .ulps = 0,
                                           .own = {0, 0, 0},
                                           .form = "nearest even of |x|, less 1 where that is above |x|"};
  static double exact(double x) { return std::trunc(x); }
  static double slopeError(double x, double v, double e) { return slopeOfRising<Trunc>(x, v, e); }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    auto a = m.let("trunc_a", m.abs(x)), near = m.let("trunc_n", m.nearest(a));
    return m.withSignOf(m.select(m.less(a, near), near - m.number(x, 1.0f), near), x);
  }
};

}  // namespace quern::maths
