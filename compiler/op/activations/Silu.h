// compiler/op/activations/Silu.h — x sigmoid(x).
#pragma once

#include "compiler/op/Activation.h"
#include "compiler/op/activations/Sigmoid.h"
#include "compiler/op/activations/TailTables.h"

namespace quern::maths {

struct Silu {
  static constexpr ActivationInfo kInfo = {.name = "silu",
                                           .formula = "x * sigmoid(x)",
                                           .derivative = "sigmoid(x) * (1 + x * (1 - sigmoid(x)))",
                                           .flops = 4,
                                           .ulps = 4,
                                           .tiny = 0x1p-26,
                                           .own = {3.7, 3.5, 1.4},
                                           .form = "x times exp(-|x|) or 1, over 1 + exp(-|x|)",
                                           .lookupForm = kGeluTable};
  static constexpr Shortcut kShortcut = {{0, 0.5, 0.25, 0, -1.0 / 48}, -150, Beyond::Zero, 40, Beyond::Argument};
  static double exact(double x) { return x * Sigmoid::exact(x); }
  static double slopeError(double /*x*/, double /*v*/, double e) { return 1.13 * e; }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    return m.lookups() ? m.geluOfTable(x, siluTail()) : m.timesSigmoid(x, x, {});
  }
};

}  // namespace quern::maths
