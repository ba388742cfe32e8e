// compiler/op/activations/GeluSigmoid.h — the approximation of gelu_erf with a logistic function.
#pragma once

#include "compiler/op/Activation.h"
#include "compiler/op/activations/Sigmoid.h"
#include "compiler/op/activations/TailTables.h"

namespace quern::maths {

struct GeluSigmoid {
  static constexpr ActivationInfo kInfo = {.name = "gelu_sigmoid",
                                           .formula = "x * sigmoid(1.702 x)",
                                           .derivative = "sigmoid(1.702 * x) * (1 + 1.702 * x * (1 - sigmoid(1.702 * x)))",
                                           .flops = 5,
                                           .ulps = 4,
                                           .tiny = 0x1p-26,
                                           .own = {3.8, 3.4, 1.6},
                                           .form = "x sigmoid(1.702 x) with the product's rest",
                                           .lookupForm = kGeluTable};
  static constexpr double kScale = 1.702;
  static constexpr Shortcut kShortcut = {{0, 0.5, kScale / 4, 0, -kScale* kScale* kScale / 48}, -90, Beyond::Zero, 24, Beyond::Argument};
  static double exact(double x) { return x * Sigmoid::exact(kScale * x); }
  static double slopeError(double /*x*/, double /*v*/, double e) { return 1.13 * e; }

  template <class M>
  static auto expand(const M& m, const typename M::Value& x) {
    using V = typename M::Value;
    if (m.lookups()) return m.geluOfTable(x, geluSigmoidTail());
    constexpr float kLow = -2.19345093e-8f;  // 1.702 less its f32 rounding
    V scale = m.number(x, 1.702f);
    V y = m.let("gelu_y", x * scale);
    V low = m.let("gelu_l", m.mulAdd(x, m.number(x, kLow), m.productLow(x, scale, y)));
    // Where y is large `low` does not count, and may be Inf - Inf.
    return m.timesSigmoid(x, y, m.let("gelu_ll", m.select(m.below(m.abs(y), 128.0f), low, m.number(y, 0.0f))));
  }
};

}  // namespace quern::maths
