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

  /// fn(x) for any maths call.
  Value emit(LoopOp fn, const Value& x) const;

  bool hasFma() const { return fma_; }
  bool lookups() const { return lookups_; }
  Value let(const std::string& name, const Value& value) const { return let_(name, value); }

  // In as many lanes as x has; `below` is false on NaN, as `select` of it then picks `no`.
  Value number(const Value& x, float value) const { return f32Const(value, x.lanes()); }
  Value integer(const Value& x, int32_t value) const { return i32Const(value, x.lanes()); }
  Value below(const Value& x, float limit) const { return binary(LoopOp::Lt, x, number(x, limit)); }
  Value select(const Value& condition, const Value& yes, const Value& no) const { return selectOf(condition, yes, no); }
  Value abs(const Value& x) const { return unary(LoopOp::Abs, x); }
  Value neg(const Value& x) const { return unary(LoopOp::Neg, x); }
  Value sqrt(const Value& x) const { return unary(LoopOp::Sqrt, x); }

  // Bits of floats as i32, and back.
  Value bits(const Value& x) const { return unary(LoopOp::BitsI32, x); }
  Value floats(const Value& x) const { return unary(LoopOp::BitsF32, x); }
  Value bitAnd(const Value& a, const Value& b) const { return binary(LoopOp::And, a, b); }
  Value bitOr(const Value& a, const Value& b) const { return binary(LoopOp::Or, a, b); }
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
  /// h(a) for a in [0, table.end), by intervals; beyond, anything.
  Value tableValue(const Value& a, const TailTable& table) const;

  Let let_;
  bool fma_, lookups_;
};

}  // namespace quern
