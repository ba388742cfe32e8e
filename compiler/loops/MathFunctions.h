// compiler/loops/MathFunctions.h — the maths functions as branch-free vector arithmetic, for any lane count.
//
// Every function is correct over the whole range: NaN gives NaN, Inf and overflow as the formula says, denormal results
// are rounded once more. Bounds are against the exact value, measured over every float (tests/numeric); "ulp" where the
// result is normal. The second figure is for targets without fma, where products round.
//
//   function      ulp fma / no fma    source of the coefficients: minimax fits with f32 coefficients over the interval named
//   exp           1 / 1               x = n ln2 + r, 2^n (1 + r + r^2 q(r)), q of degree 5 on |r| <= 0.3467
//   log           1 / 2               x = 2^e m, m in [sqrt 1/2, sqrt 2), e ln2 + f + f^2 q(f), f = m - 1, q of degree 9
//   tanh          2 / 2               x + x^3 p(x^2) below 0.65, else 1 - 2 / (exp(2x) + 1)
//   erf           2 / 2               x + x p(x^2) below 0.85, else 1 - exp(-q(x)), q the fit of -log erfc on [0.83, 4.1]
//   sigmoid       2 / 2               exp(-|x|) or 1, over 1 + exp(-|x|)
//   rsqrt         1 / 1               1 / sqrt(x)
//   decay         exp of x <= 0 for softmax: err <= (2 + 0.1 |x|) eps exp(x), 0 below 2^-126; the same without fma
//   gelu_erf, gelu_tanh, gelu_sigmoid, silu: max(4 ulp, 2^-26)
#pragma once

#include "compiler/loops/LoopBuilder.h"
#include "compiler/loops/TailTables.h"

#include <functional>

namespace quern {

/// Emits one maths function as values; `let` names an intermediate that is used more than once.
class MathFunctions {
public:
  using Let = std::function<Value(const std::string& name, const Value& value)>;

  /// `lookups`: a table of 32 entries is one instruction.
  MathFunctions(Let let, bool fma, bool lookups) : let_(std::move(let)), fma_(fma), lookups_(lookups) {}

  /// fn(x) for any Call operator.
  Value emit(LoopOp fn, const Value& x) const;

private:
  /// Usual: exp within 1 ulp. High: within 0.6 ulp, for a few operations more.
  enum class Accuracy : uint8_t { Usual, High };

  Value mulAdd(const Value& a, const Value& b, const Value& c) const;
  Value horner(const Value& x, std::span<const float> highestFirst) const;
  /// a * b - product, exactly (product is a * b rounded).
  Value productLow(const Value& a, const Value& b, const Value& product) const;
  /// numerator / divisor for divisors in [1, 2], without a divide where there is fma: within 2 ulp; High: 0.6 ulp.
  Value over(const Value& numerator, const Value& divisor, Accuracy accuracy = Accuracy::Usual) const;
  /// exp(x + low); `low` may be a null value.
  Value exp(const Value& x, const Value& low = {}, Accuracy accuracy = Accuracy::Usual) const;
  Value decay(const Value& x) const;
  Value log(const Value& x) const;
  Value tanh(const Value& x) const;
  Value erf(const Value& x) const;
  Value sigmoid(const Value& x) const;
  Value relu(const Value& x) const;
  /// x phi(x) where phi(-a) = 2^q(a) is the upper tail of a symmetric distribution: max(x, 0) - |x| 2^q(|x|), one exponential and
  /// no quotient, exact signs of zero and infinities. q(a) = q(1) + (a - 1) logTail(a - 1) up to `end`, where the rest is below
  /// 2^-33; 2^f 2^q(1) = power(f) for f in [-1/2, 1/2]. Fitted with Sollya's fpminimax, weighted by a 2^q(a).
  Value geluOfTail(const Value& x, std::span<const float> logTail, std::span<const float> power, float end) const;
  /// h(a) for a in [0, table.end), by intervals; beyond, anything.
  Value tableValue(const Value& a, const TailTable& table) const;
  /// max(x, 0) - h(|x|), and h(|x|) with the sign of x.
  Value geluOfTable(const Value& x, const TailTable& table) const;
  Value oddOfTable(const Value& x, const TailTable& table) const;
  Value geluErf(const Value& x) const;
  Value geluTanh(const Value& x) const;
  Value geluSigmoid(const Value& x) const;
  /// times / (1 + exp(-(y + low))), without losing the tail where y is negative
  Value timesSigmoid(const Value& times, const Value& y, const Value& low) const;
  /// erfc(a + low) for a >= 0.85, as erfc(1.125) exp(-q(a + low - 1.125)); `low` may be a null value
  Value erfcTail(const Value& a, const Value& low = {}) const;
  Value erfNear(const Value& x) const;

  Let let_;
  bool fma_, lookups_;
};

}  // namespace quern
