// compiler/reference/FloatTruth.h — functions of one f32 in double, many at a time: what a kernel is held against float by float.
#pragma once

#include "compiler/op/ScalarExpr.h"

#include <span>
#include <string>

namespace quern {

/// A function of one f32: its values and what a kernel may err there.
struct FloatTruth {
  /// Fills exact[i] and limit[i] for x[i].
  ///
  /// Numeric  |exact - f(x)| <= 2^-40 |f(x)| + 2^-200, and `limit` is the kernel's less that: |kernel - exact| <= limit proves
  ///          the kernel. Where one answer is right exact is that one: the float itself with limit 0 (abs, neg, relu, sqrt), and
  ///          Inf where f(x) is far above every float.
  void (*fill)(std::span<const float> x, double* exact, double* limit) = nullptr;
  std::string name;
  double ulpsFrom = 0x1p-126;        ///< from this |exact| on, the limit is a number of ulps
  bool (*takes)(float x) = nullptr;  ///< the floats it is defined for; null: all
};

/// Functions of one argument only.
FloatTruth truthOf(ScalarFn fn);

/// exp of x <= 0 as softmax and attention take it, NaN included: (2 + 0.1 |x|) 2^-23 exp(x), and 2^-126 where exp(x) is below that.
FloatTruth truthOfDecay();

}  // namespace quern
