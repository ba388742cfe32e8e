// compiler/loops/MathFunctions.h — the maths functions as branch-free vector arithmetic, for any lane count.
//
// Every function takes every float: NaN gives NaN, Inf and overflow as the formula says, denormal results are rounded once more.
// mathsInfos() declares each one's bound; tests/numeric holds them to it over every float.
#pragma once

#include "compiler/loops/LoopBuilder.h"
#include "compiler/loops/TailTables.h"

#include <functional>
#include <string>
#include <string_view>

namespace quern {

/// What is declared of a function: `quern show` prints it, the tests hold it. Bounds in ulp of the exact result: with fma, without, and
/// where 32 table entries are one instruction; for the gelus and silu an error of 2^-26 is allowed as well, everywhere.
struct MathsInfo {
  LoopOp fn;
  double ulpFma, ulpPlain, ulpLookups;
  bool orTiny;                  ///< max(ulp, 2^-26)
  std::string_view form;        ///< how it is computed
  std::string_view lookupForm;  ///< where table entries are looked up; empty: the same
};
std::span<const MathsInfo> mathsInfos();
/// nullptr: none is declared.
const MathsInfo* findMathsInfo(LoopOp fn);
/// "silu: <= max(1.3 ulp, 2^-26) ..." for `lanes` lanes on a level.
std::string text(const MathsInfo& info, int lanes, bool fma, bool lookups);

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
