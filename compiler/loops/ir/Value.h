// compiler/loops/ir/Value.h — loop expressions with operators: what builders and maths functions compute with.
#pragma once

#include "compiler/loops/ir/LoopProgram.h"

#include <span>
#include <vector>

namespace quern {

/// A LoopExprRef with operators. Integer operators fold constants, so that builders need no special cases.
class Value {
public:
  Value() = default;
  Value(LoopExprRef expr) : expr_(std::move(expr)) {}
  Value(int64_t integer);
  Value(int integer) : Value(static_cast<int64_t>(integer)) {}

  const LoopExprRef& expr() const { return expr_; }
  LoopType type() const { return expr_->type; }
  int lanes() const { return expr_->type.lanes; }
  /// The value if this is an integer constant.
  const int64_t* constant() const { return constantInt(expr_); }
  bool isConstant(int64_t value) const { return constant() != nullptr && *constant() == value; }

private:
  LoopExprRef expr_;
};

/// A node of any kind but Op with its fields set, and a value of it.
LoopExpr node(LoopExpr::Kind kind, LoopType type, std::vector<LoopExprRef> args);
Value made(LoopExpr expr);

Value operator+(const Value& a, const Value& b);
Value operator-(const Value& a, const Value& b);
Value operator*(const Value& a, const Value& b);
Value operator/(const Value& a, const Value& b);
Value operator%(const Value& a, const Value& b);
Value binary(LoopOp op, const Value& a, const Value& b);
Value unary(LoopOp op, const Value& a);  ///< casts and maths calls too
Value lessThan(const Value& a, const Value& b);
Value minOf(const Value& a, const Value& b);
Value maxOf(const Value& a, const Value& b);
Value ceilDivOf(const Value& a, int64_t b);
Value fmaOf(const Value& a, const Value& b, const Value& c);
Value selectOf(const Value& condition, const Value& yes, const Value& no);
Value broadcast(const Value& a, int lanes);  ///< a itself where lanes is 1
Value reduceOf(LoopOp op, const Value& a);   ///< Add, Max or Min over its lanes
Value maskOf(const Value& count, int lanes);
Value shuffleOf(const Value& a, const Value& b, std::vector<int> pattern);
Value lookupOf(const Value& index, std::span<const float> table);
/// `table`: of sixteen bytes, with a sign or without.
Value lookupBytesOf(const Value& bytes, std::span<const float> table);
/// sum + the dots of four neighbouring bytes; `a` unsigned or signed, `b` signed.
Value dot4Of(const Value& sum, const Value& a, const Value& b);
Value shortDotsOf(const Value& a, const Value& b);
/// `a` and `b`: two bf16 in each i32.
Value dotPairsOf(const Value& sum, const Value& a, const Value& b);
Value fmaFlushedOf(const Value& a, const Value& b, const Value& c);
Value f32Const(float value, int lanes = 1);
Value i32Const(int32_t value, int lanes = 1);

}  // namespace quern
