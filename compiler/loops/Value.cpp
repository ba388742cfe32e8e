// compiler/loops/Value.cpp — see Value.h.
#include "compiler/loops/Value.h"

#include "compiler/base/Check.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

LoopExpr node(LoopExpr::Kind kind, LoopType type, std::vector<LoopExprRef> args, LoopOp op) {
  LoopExpr expr;
  expr.kind = kind;
  expr.type = type;
  expr.op = op;
  expr.args = std::move(args);
  return expr;
}

Value made(LoopExpr expr) { return Value(std::make_shared<const LoopExpr>(std::move(expr))); }

Value::Value(int64_t integer) {
  LoopExpr expr = node(LoopExpr::Kind::Const, {Scalar::I64, 1}, {});
  expr.integer = integer;
  expr_ = std::make_shared<const LoopExpr>(std::move(expr));
}

Value f32Const(float value, int lanes) {
  LoopExpr expr = node(LoopExpr::Kind::Const, {Scalar::F32, lanes}, {});
  expr.number = value;
  return made(std::move(expr));
}

Value i32Const(int32_t value, int lanes) {
  LoopExpr expr = node(LoopExpr::Kind::Const, {Scalar::I32, lanes}, {});
  expr.integer = value;
  return made(std::move(expr));
}

static bool isComparison(LoopOp op) { return op >= LoopOp::Lt && op <= LoopOp::Ne; }

/// a op b of index constants; nullptr value where it does not fold.
static Value foldedIndex(LoopOp op, const Value& a, const Value& b) {
  const int64_t* x = a.constant();
  const int64_t* y = b.constant();
  if (x != nullptr && y != nullptr) {
    switch (op) {
      case LoopOp::Add: return *x + *y;
      case LoopOp::Sub: return *x - *y;
      case LoopOp::Mul: return *x * *y;
      case LoopOp::Div: return *y != 0 ? Value(*x / *y) : Value();
      case LoopOp::Rem: return *y != 0 ? Value(*x % *y) : Value();
      case LoopOp::Max: return std::max(*x, *y);
      case LoopOp::Min: return std::min(*x, *y);
      default: return {};
    }
  }
  bool add = op == LoopOp::Add, sub = op == LoopOp::Sub, mul = op == LoopOp::Mul;
  if ((add || sub) && b.isConstant(0)) return a;
  if (add && a.isConstant(0)) return b;
  if ((mul || op == LoopOp::Div) && b.isConstant(1)) return a;
  if (mul && a.isConstant(1)) return b;
  if (mul && (a.isConstant(0) || b.isConstant(0))) return 0;
  if (op == LoopOp::Rem && b.isConstant(1)) return 0;
  return {};
}

Value binary(LoopOp op, const Value& a, const Value& b) {
  QUERN_CHECK_FOR(a.type() == b.type(), fmt::format("{} {} {}", text(a.type()), nameOf(op), text(b.type())));
  if (a.type().scalar == Scalar::I64)
    if (Value folded = foldedIndex(op, a, b); folded.expr() != nullptr) return folded;
  LoopType type = isComparison(op) ? LoopType{Scalar::Bool, a.lanes()} : a.type();
  return made(node(LoopExpr::Kind::Binary, type, {a.expr(), b.expr()}, op));
}

Value operator+(const Value& a, const Value& b) { return binary(LoopOp::Add, a, b); }
Value operator-(const Value& a, const Value& b) { return binary(LoopOp::Sub, a, b); }
Value operator*(const Value& a, const Value& b) { return binary(LoopOp::Mul, a, b); }
Value operator/(const Value& a, const Value& b) { return binary(LoopOp::Div, a, b); }
Value operator%(const Value& a, const Value& b) { return binary(LoopOp::Rem, a, b); }
Value lessThan(const Value& a, const Value& b) { return binary(LoopOp::Lt, a, b); }
Value minOf(const Value& a, const Value& b) { return binary(LoopOp::Min, a, b); }
Value maxOf(const Value& a, const Value& b) { return binary(LoopOp::Max, a, b); }
Value ceilDivOf(const Value& a, int64_t b) { return (a + (b - 1)) / b; }

Value unary(LoopOp op, const Value& a) { return made(node(LoopExpr::Kind::Unary, a.type(), {a.expr()}, op)); }

Value fmaOf(const Value& a, const Value& b, const Value& c) {
  QUERN_CHECK(a.type() == b.type() && b.type() == c.type());
  return made(node(LoopExpr::Kind::Fma, a.type(), {a.expr(), b.expr(), c.expr()}));
}

Value selectOf(const Value& condition, const Value& yes, const Value& no) {
  QUERN_CHECK(yes.type() == no.type() && condition.lanes() == yes.lanes() && condition.type().scalar == Scalar::Bool);
  return made(node(LoopExpr::Kind::Select, yes.type(), {condition.expr(), yes.expr(), no.expr()}));
}

Value castTo(LoopOp cast, const Value& a) {
  Scalar scalar = cast == LoopOp::ToF32 || cast == LoopOp::BitsF32 || cast == LoopOp::HalfF32 ? Scalar::F32
                  : cast == LoopOp::ToI64                                                     ? Scalar::I64
                                                                                              : Scalar::I32;
  return made(node(LoopExpr::Kind::Cast, {scalar, a.lanes()}, {a.expr()}, cast));
}

Value broadcast(const Value& a, int lanes) {
  if (lanes == 1) return a;
  QUERN_CHECK(a.lanes() == 1);
  return made(node(LoopExpr::Kind::Broadcast, {a.type().scalar, lanes}, {a.expr()}));
}

Value reduceOf(LoopOp op, const Value& a) {
  if (a.lanes() == 1) return a;
  return made(node(LoopExpr::Kind::Reduce, {a.type().scalar, 1}, {a.expr()}, op));
}

Value maskOf(const Value& count, int lanes) { return made(node(LoopExpr::Kind::Mask, {Scalar::Bool, lanes}, {count.expr()})); }

Value shuffleOf(const Value& a, const Value& b, std::vector<int> pattern) {
  QUERN_CHECK(a.type() == b.type());
  LoopExpr expr = node(LoopExpr::Kind::Shuffle, {a.type().scalar, static_cast<int>(pattern.size())}, {a.expr(), b.expr()});
  expr.pattern = std::move(pattern);
  return made(std::move(expr));
}

Value lookupOf(const Value& index, std::span<const float> table) {
  LoopExpr expr = node(LoopExpr::Kind::Lookup, {Scalar::F32, index.lanes()}, {index.expr()});
  expr.table.assign(table.begin(), table.end());
  return made(std::move(expr));
}

Value callOf(LoopOp fn, const Value& a) { return made(node(LoopExpr::Kind::Call, a.type(), {a.expr()}, fn)); }

}  // namespace quern
