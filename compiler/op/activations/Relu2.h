// compiler/op/activations/Relu2.h — max(x, 0) squared: the feed-forward layers of Nemotron and others.
#pragma once

#include "compiler/op/Activation.h"

namespace quern::maths {

struct Relu2 {
  static constexpr ActivationInfo kInfo = {.name = "relu2",
                                           .formula = "max(x, 0) squared, NaN stays NaN",
                                           .derivative = "2 * relu(x)",
                                           .flops = 2,
                                           .ulps = 2,
                                           .own = {0.5, 0.5, 0.5},
                                           .form = "relu(x) times itself, rounded once"};
  static double exact(double x) { return x < 0 ? 0.0 : x * x; }
  static double slopeError(double x, double /*v*/, double e) { return e * (2 * std::fabs(x) + e); }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    typename M::Value positive = m.let("relu_x", m.select(m.below(x, 0.0f), m.number(x, 0.0f), x));
    return positive * positive;
  }
};

}  // namespace quern::maths
