// compiler/loops/maths/MathFunctions.h — what the functions of op/activations/ are written with: vector arithmetic, for any lane count.
#pragma once

#include "compiler/loops/build/LoopBuilder.h"
#include "compiler/op/Activation.h"
#include "compiler/op/activations/TailTables.h"

#include <functional>
#include <string>

namespace quern {

/// Null for an op that is no maths call.
const ActivationInfo* mathsInfo(LoopOp fn);
/// "silu: <= max(1.3 ulp, 2^-26) ..." for `lanes` lanes on a level.
std::string text(const ActivationInfo& info, int lanes, bool fma, bool lookups);

/// Emits maths functions as values; `let` names an intermediate that is used more than once.
class MathFunctions {
public:
  using Value = quern::Value;
  using Let = std::function<Value(const std::string& name, const Value& value)>;
  /// Usual: exp within 1 ulp. High: within 0.6 ulp, for a few operations more.
  enum class Accuracy : uint8_t { Usual, High };

  /// `lookups`: a table of 32 entries is one instruction.
  MathFunctions(Let let, bool fma, bool lookups) : let_(std::move(let)), fma_(fma), lookups_(lookups) {}

  /// fn(x) or fn(x, y) for any maths call.
  Value emit(LoopOp fn, const Value& x, const Value& y = {}) const;

  bool hasFma() const { return fma_; }
  bool lookups() const { return lookups_; }
  Value let(const std::string& name, const Value& value) const { return let_(name, value); }

  // In as many lanes as x has; `below` is false on NaN, as `select` of it then picks `no`.
  Value number(const Value& x, float value) const { return f32Const(value, x.lanes()); }
  Value integer(const Value& x, int32_t value) const { return i32Const(value, x.lanes()); }
  Value below(const Value& x, float limit) const { return binary(LoopOp::Lt, x, number(x, limit)); }
  Value less(const Value& a, const Value& b) const { return lessThan(a, b); }
  Value select(const Value& condition, const Value& yes, const Value& no) const { return selectOf(condition, yes, no); }
  Value abs(const Value& x) const { return unary(LoopOp::Abs, x); }
  Value neg(const Value& x) const { return unary(LoopOp::Neg, x); }
  Value sqrt(const Value& x) const { return unary(LoopOp::Sqrt, x); }

  // Bits of floats as i32, and back.
  Value bits(const Value& x) const { return unary(LoopOp::BitsI32, x); }
  Value floats(const Value& x) const { return unary(LoopOp::BitsF32, x); }
  Value bitAnd(const Value& a, const Value& b) const { return binary(LoopOp::And, a, b); }
  Value bitOr(const Value& a, const Value& b) const { return binary(LoopOp::Or, a, b); }
  /// `magnitude`, whose sign is clear, with the sign of another.
  Value withSignOf(const Value& magnitude, const Value& of) const;
  Value shiftLeft(const Value& a, int by) const { return binary(LoopOp::Shl, a, integer(a, by)); }

  /// a * b + c, fused where there is fma.
  Value mulAdd(const Value& a, const Value& b, const Value& c) const;
  Value horner(const Value& x, std::span<const float> highestFirst) const;
  /// a * b - product, exactly (product is a * b rounded).
  Value productLow(const Value& a, const Value& b, const Value& product) const;
  /// numerator / divisor for divisors in [1, 2], without a divide where there is fma: within 2 ulp; High: 0.6 ulp.
  Value over(const Value& numerator, const Value& divisor, Accuracy accuracy = Accuracy::Usual) const;
  /// exp(x + low); `low` may be a null value.
  Value exp(const Value& x, const Value& low = {}, Accuracy accuracy = Accuracy::Usual) const;
  Value log(const Value& x) const;
  /// The whole number next to x, the even one half way; zeros keep x's sign.
  Value nearest(const Value& x) const;
  /// The sine of x + quarters pi / 2 for quarters 0 and 1, within 1.51 ulp for any x.
  Value sineOf(const Value& x, int quarters) const;
  /// a^b as C99 has it, within 0.51 ulp.
  Value pow(const Value& a, const Value& b) const;
  /// log(1 + e) for e in [0, 1], without the rounding of 1 + e.
  Value logOfOnePlus(const Value& e) const;
  /// times / (1 + exp(-(y + low))), without losing the tail where y is negative; `low` may be a null value.
  Value timesSigmoid(const Value& times, const Value& y, const Value& low) const;
  /// x phi(x) where phi(-a) = 2^q(a) is the upper tail of a symmetric distribution: max(x, 0) - |x| 2^q(|x|), one exponential and
  /// no quotient, exact signs of zero and infinities. q(a) = q(1) + (a - 1) logTail(a - 1) up to `end`, where the rest is below
  /// 2^-33; 2^f 2^q(1) = power(f) for f in [-1/2, 1/2]. Fitted with Sollya's fpminimax, weighted by a 2^q(a).
  Value geluOfTail(const Value& x, std::span<const float> logTail, std::span<const float> power, float end) const;
  /// max(x, 0) - h(|x|), and h(|x|) with the sign of x.
  Value geluOfTable(const Value& x, const TailTable& table) const;
  Value oddOfTable(const Value& x, const TailTable& table) const;

private:
  struct Split {
    Value exponent, f;  ///< x = 2^exponent (1 + f), 1 + f in [sqrt 1/2, sqrt 2); the exponent an i32
  };
  /// Of 0 < x < Inf; of others, something.
  Split splitOf(const Value& x) const;
  struct Angle {
    Value quarter, rest;  ///< |x| = quarter pi / 2 + rest, but for whole turns; quarter an i32
  };
  Angle angleOf(const Value& x) const;
  // Of double: log2(x) of f32 within 2^-38 of it, 2^x as f32, rounded once.
  Value log2Wide(const Value& x) const;
  Value exp2Wide(const Value& x) const;
  Value hornerWide(const Value& x, std::span<const double> highestFirst) const;
  /// table[index] for indices below its size, which is at most 16.
  Value entryOf(const Value& index, std::span<const float> table) const;
  /// 2^n for n in [-126, 127], n as i32
  static Value powerOfTwo(const Value& n);
  /// h(a) for a in [0, table.end), by intervals; beyond, anything.
  Value tableValue(const Value& a, const TailTable& table) const;

  Let let_;
  bool fma_, lookups_;
};

}  // namespace quern
