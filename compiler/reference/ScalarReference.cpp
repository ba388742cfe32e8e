// compiler/reference/ScalarReference.cpp — see ScalarReference.h.
#include "compiler/reference/ScalarReference.h"

#include "compiler/base/Check.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace quern {

static constexpr double kLargest = std::numeric_limits<float>::max();

static double normalCdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
static double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

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
    case ScalarFn::Rsqrt: return 1 / std::sqrt(a);
    case ScalarFn::Exp: return std::exp(a);
    case ScalarFn::Log: return std::log(a);
    case ScalarFn::Tanh: return std::tanh(a);
    case ScalarFn::Erf: return std::erf(a);
    case ScalarFn::Sigmoid: return sigmoid(a);
    case ScalarFn::Relu: return a < 0 ? 0.0 : a;
    case ScalarFn::Silu: return a * sigmoid(a);
    case ScalarFn::GeluErf: return a * normalCdf(a);
    case ScalarFn::GeluTanh: return a * sigmoid(2 * std::sqrt(2 / M_PI) * (a + 0.044715 * a * a * a));
    case ScalarFn::GeluSigmoid: return a * sigmoid(1.702 * a);
  }
  QUERN_CHECK(false);
  return 0;
}

double ownLimit(ScalarFn fn, double v) {
  constexpr double kSmallestNormal = 0x1p-126;
  switch (fn) {
    case ScalarFn::Neg:
    case ScalarFn::Max:
    case ScalarFn::Min:
    case ScalarFn::Abs:
    case ScalarFn::Relu: return 0;
    case ScalarFn::Add:
    case ScalarFn::Sub:
    case ScalarFn::Mul:
    case ScalarFn::Div:
    case ScalarFn::Sqrt: return 0.5 * ulpOf(v);
    case ScalarFn::Silu:
    case ScalarFn::GeluErf:
    case ScalarFn::GeluTanh:
    case ScalarFn::GeluSigmoid: return std::max(4 * ulpOf(v), 0x1p-26);
    default: return std::fabs(v) < kSmallestNormal ? kSmallestNormal : 2 * ulpOf(v);
  }
}

/// The most the exact function changes when its argument moves by e around x.
static double slopeError(ScalarFn fn, double x, double v, double e) {
  if (e == 0) return 0;
  switch (fn) {
    case ScalarFn::Sigmoid: return 0.25 * e;
    case ScalarFn::Exp: return v * std::expm1(e);
    case ScalarFn::Log: return x > e ? std::log(x / (x - e)) : INFINITY;
    case ScalarFn::Sqrt: return x > e ? v - std::sqrt(x - e) : std::sqrt(std::max(0.0, x) + e);
    case ScalarFn::Rsqrt: return x > e ? 1 / std::sqrt(x - e) - v : INFINITY;
    case ScalarFn::Erf:
    case ScalarFn::GeluErf:
    case ScalarFn::GeluTanh:
    case ScalarFn::GeluSigmoid:
    case ScalarFn::Silu: return 1.13 * e;
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
