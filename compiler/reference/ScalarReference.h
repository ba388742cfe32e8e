// compiler/reference/ScalarReference.h — elementwise expressions in double, and how errors grow through them.
#pragma once

#include "compiler/op/ScalarExpr.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>

namespace quern {

/// A value and the most that an f32 evaluation may differ from it.
struct Bounded {
  double value = 0, error = 0;
};

/// The exact function value.
double exactFn(ScalarFn fn, double a, double b, double c = 0);

/// What a kernel's own evaluation of fn may err at exact value v (compiler/README.md, Error limits): 0.5 ulp for operators, 1 ulp for pow,
/// 2 ulp for exp, log, tanh, erf, sigmoid, rsqrt, sin, cos; max(4 ulp, 2^-26) for gelus and silu; 0 for exact ones.
double ownLimit(ScalarFn fn, double v);

/// Evaluates the tree; each node adds its own limit to its arguments' errors times the function's slope.
Bounded evaluate(const ScalarExpr& expr, const std::function<Bounded(const std::string&)>& operand);

/// The distance between neighbouring f32 values at |v|: 2^(exponent - 23), that of the smallest normal below it.
inline double ulpOf(double v) {
  if (!(std::fabs(v) >= 0x1p-126)) return 0x1p-149;
  return std::bit_cast<double>(std::bit_cast<uint64_t>(v) & 0x7FF0000000000000) * 0x1p-23;
}

}  // namespace quern
