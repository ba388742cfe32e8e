// compiler/reference/ScalarReference.cpp — see ScalarReference.h.
#include "compiler/reference/ScalarReference.h"

#include "compiler/Activations.h"
#include "compiler/base/Check.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace quern {

static constexpr double kLargest = std::numeric_limits<float>::max();

double exactFn(ScalarFn fn, double a, double b, double c) {
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
    case ScalarFn::Where: return a != 0 ? b : c;
    case ScalarFn::Clamp: return exactFn(ScalarFn::Min, exactFn(ScalarFn::Max, a, b), c);
    case ScalarFn::Equal: return a == b ? 1 : 0;
    case ScalarFn::NotEqual: return a != b ? 1 : 0;
    case ScalarFn::Less: return a < b ? 1 : 0;
    case ScalarFn::LessEqual: return a <= b ? 1 : 0;
    case ScalarFn::Greater: return a > b ? 1 : 0;
    case ScalarFn::GreaterEqual: return a >= b ? 1 : 0;
    case ScalarFn::Pow: return std::pow(a, b);
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
  if (fn == ScalarFn::Pow) return std::fabs(v) < kSmallestNormal ? kSmallestNormal : ulpOf(v);
  bool rounds = fn <= ScalarFn::Div || fn == ScalarFn::Sqrt;
  return rounds ? 0.5 * ulpOf(v) : 0;
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

/// The most that a^b changes within a's and b's errors: at a corner, as b log a is a product. NaN: anything, where a may have either sign.
static double powError(const Bounded& a, const Bounded& b, double v) {
  if (a.error == 0 && b.error == 0) return 0;
  bool signSure = a.error == 0 || std::fabs(a.value) > a.error, real = a.value > 0 || b.error == 0;
  if (!signSure || !real) return std::numeric_limits<double>::quiet_NaN();
  double most = 0;
  for (double base : {a.value - a.error, a.value + a.error})
    for (double exponent : {b.value - b.error, b.value + b.error}) most = std::max(most, std::fabs(std::pow(base, exponent) - v));
  return most;
}

static bool isComparison(ScalarFn fn) { return fn >= ScalarFn::Equal && fn <= ScalarFn::GreaterEqual; }

static double argumentError(ScalarFn fn, const Bounded& a, const Bounded& b, const Bounded& c, double v) {
  if (isComparison(fn)) return a.error + b.error > 0 && std::fabs(a.value - b.value) <= a.error + b.error ? 1 : 0;
  switch (fn) {
    case ScalarFn::Add:
    case ScalarFn::Sub: return a.error + b.error;
    case ScalarFn::Max:
    case ScalarFn::Min: return std::max(a.error, b.error);
    case ScalarFn::Clamp: return std::max({a.error, b.error, c.error});
    case ScalarFn::Pow: return powError(a, b, v);
    case ScalarFn::Mul: return std::fabs(a.value) * b.error + std::fabs(b.value) * a.error + a.error * b.error;
    case ScalarFn::Div: {
      if (a.error == 0 && b.error == 0) return 0;
      double room = std::fabs(b.value) - b.error;
      return room > 0 ? (a.error + std::fabs(v) * b.error) / room : INFINITY;
    }
    default: return slopeError(fn, a.value, v, a.error);
  }
}

/// What the one not picked is does not matter, but where it may have been picked.
static Bounded picked(const Bounded& c, const Bounded& yes, const Bounded& no) {
  const Bounded& right = c.value != 0 ? yes : no;
  const Bounded& wrong = c.value != 0 ? no : yes;
  if (c.error == 0 || std::fabs(c.value) > c.error) return right;
  return {right.value, std::max(right.error, std::fabs(yes.value - no.value) + wrong.error)};
}

Bounded evaluate(const ScalarExpr& expr, const std::function<Bounded(const std::string&)>& operand) {
  if (expr.kind == ScalarExpr::Kind::Number) return {expr.number, 0};
  if (expr.kind == ScalarExpr::Kind::Operand) return operand(expr.operand);
  std::array<Bounded, 3> args;
  for (size_t i = 0; i < expr.args.size(); ++i) args[i] = evaluate(*expr.args[i], operand);
  const auto& [a, b, c] = args;
  if (expr.fn == ScalarFn::Where) return picked(a, b, c);
  double v = exactFn(expr.fn, a.value, b.value, c.value);
  // What overflowed in f32 on the way here, where double goes on, may have become anything.
  auto overflowed = [](const Bounded& x) {
    return std::isnan(x.error) || (std::isfinite(x.value) && std::fabs(x.value) + x.error > kLargest);
  };
  if (std::any_of(args.begin(), args.end(), overflowed)) return {v, std::numeric_limits<double>::quiet_NaN()};
  // An operator on exact operands has one right answer: the rounded one.
  bool rounds = expr.fn <= ScalarFn::Div || expr.fn == ScalarFn::Sqrt;
  if (rounds && a.error == 0 && b.error == 0) return {static_cast<double>(static_cast<float>(v)), 0};
  double fromArguments = argumentError(expr.fn, a, b, c, v);
  return {v, fromArguments + ownLimit(expr.fn, std::isfinite(v) ? std::fabs(v) + fromArguments : v)};
}

}  // namespace quern
