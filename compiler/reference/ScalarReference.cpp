// compiler/reference/ScalarReference.cpp — see ScalarReference.h.
#include "compiler/reference/ScalarReference.h"

#include "compiler/Activations.h"
#include "compiler/base/Check.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace quern {

static constexpr double kLargest = std::numeric_limits<float>::max();

double exactFn(ScalarFn fn, double a, double b) {
  switch (fn) {
    case ScalarFn::Add: return a + b;
    case ScalarFn::Sub: return a - b;
    case ScalarFn::Mul: return a * b;
    case ScalarFn::Div: return a / b;
    case ScalarFn::Neg: return -a;
    case ScalarFn::Max: return std::isnan(a) ? a : a > b ? a : b;
    case ScalarFn::Min: return std::isnan(a) ? a : a < b ? a : b;
    case ScalarFn::Abs: return std::fabs(a);
    case ScalarFn::Sqrt: return std::sqrt(a);
#define QUERN_FN(Name) \
  case ScalarFn::Name: return maths::Name::exact(a);
      QUERN_ACTIVATIONS(QUERN_FN)
#undef QUERN_FN
  }
  QUERN_CHECK(false);
  return 0;
}

double ownLimit(ScalarFn fn, double v) {
  constexpr double kSmallestNormal = 0x1p-126;
  if (const ActivationInfo* info = quern::info(fn).activation) {
    if (info->ulps == 0) return 0;
    if (info->tiny > 0) return std::max(info->ulps * ulpOf(v), info->tiny);
    return std::fabs(v) < kSmallestNormal ? kSmallestNormal : info->ulps * ulpOf(v);
  }
  bool exact = fn == ScalarFn::Neg || fn == ScalarFn::Max || fn == ScalarFn::Min || fn == ScalarFn::Abs;
  return exact ? 0 : 0.5 * ulpOf(v);
}

/// The most the exact function changes when its argument moves by e around x.
static double slopeError(ScalarFn fn, double x, double v, double e) {
  if (e == 0) return 0;
  switch (fn) {
    case ScalarFn::Sqrt: return x > e ? v - std::sqrt(x - e) : std::sqrt(std::max(0.0, x) + e);
#define QUERN_FN(Name) \
  case ScalarFn::Name: return maths::Name::slopeError(x, v, e);
      QUERN_ACTIVATIONS(QUERN_FN)
#undef QUERN_FN
    default: return e;
  }
}

static double argumentError(ScalarFn fn, const Bounded& a, const Bounded& b, double v) {
  switch (fn) {
    case ScalarFn::Add:
    case ScalarFn::Sub: return a.error + b.error;
    case ScalarFn::Max:
    case ScalarFn::Min: return std::max(a.error, b.error);
    case ScalarFn::Mul: return std::fabs(a.value) * b.error + std::fabs(b.value) * a.error + a.error * b.error;
    case ScalarFn::Div: {
      if (a.error == 0 && b.error == 0) return 0;
      double room = std::fabs(b.value) - b.error;
      return room > 0 ? (a.error + std::fabs(v) * b.error) / room : INFINITY;
    }
    default: return slopeError(fn, a.value, v, a.error);
  }
}

Bounded evaluate(const ScalarExpr& expr, const std::function<Bounded(const std::string&)>& operand) {
  if (expr.kind == ScalarExpr::Kind::Number) return {expr.number, 0};
  if (expr.kind == ScalarExpr::Kind::Operand) return operand(expr.operand);
  Bounded a = evaluate(*expr.args[0], operand);
  Bounded b = expr.args.size() > 1 ? evaluate(*expr.args[1], operand) : Bounded{};
  double v = exactFn(expr.fn, a.value, b.value);
  // What overflowed in f32 on the way here, where double goes on, may have become anything.
  auto overflowed = [](const Bounded& x) {
    return std::isnan(x.error) || (std::isfinite(x.value) && std::fabs(x.value) + x.error > kLargest);
  };
  if (overflowed(a) || overflowed(b)) return {v, std::numeric_limits<double>::quiet_NaN()};
  // An operator on exact operands has one right answer: the rounded one.
  bool rounds = expr.fn <= ScalarFn::Div || expr.fn == ScalarFn::Sqrt;
  if (rounds && a.error == 0 && b.error == 0) return {static_cast<double>(static_cast<float>(v)), 0};
  double fromArguments = argumentError(expr.fn, a, b, v);
  return {v, fromArguments + ownLimit(expr.fn, std::isfinite(v) ? std::fabs(v) + fromArguments : v)};
}

}  // namespace quern
