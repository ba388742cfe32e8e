// compiler/loops/ir/Value.cpp — see Value.h.
#include "compiler/loops/ir/Value.h"

#include "compiler/base/Check.h"
#include "compiler/loops/ir/LoopNodes.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

LoopExpr node(LoopExpr::Kind kind, LoopType type, std::vector<LoopExprRef> args) {
  LoopExpr expr;
  expr.kind = kind;
  expr.type = type;
  expr.args = std::move(args);
  return expr;
}

/// `expr` with its arguments and what stands beside them set: the type is its row's to say.
static Value operation(LoopOp op, LoopExpr expr) {
  expr.kind = LoopExpr::Kind::Op;
  expr.op = op;
  std::string why = nodeOf(op).type(expr, expr.type);
  QUERN_CHECK_FOR(why.empty() || isMaths(expr), fmt::format("{}: {}", nameOf(op), why));
  return made(std::move(expr));
}

static Value operation(LoopOp op, std::vector<LoopExprRef> args, int lanes = 1) {
  LoopExpr expr;
  expr.args = std::move(args);
  expr.type.lanes = lanes;
  return operation(op, std::move(expr));
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
  return operation(op, {a.expr(), b.expr()});
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

Value unary(LoopOp op, const Value& a) { return operation(op, {a.expr()}); }
Value fmaOf(const Value& a, const Value& b, const Value& c) { return operation(LoopOp::Fma, {a.expr(), b.expr(), c.expr()}); }
Value selectOf(const Value& condition, const Value& yes, const Value& no) {
  return operation(LoopOp::Select, {condition.expr(), yes.expr(), no.expr()});
}
Value broadcast(const Value& a, int lanes) { return lanes == 1 ? a : operation(LoopOp::Broadcast, {a.expr()}, lanes); }
Value maskOf(const Value& count, int lanes) { return operation(LoopOp::Mask, {count.expr()}, lanes); }

Value reduceOf(LoopOp op, const Value& a) {
  LoopOp fold = op == LoopOp::Add ? LoopOp::ReduceAdd : op == LoopOp::Max ? LoopOp::ReduceMax : LoopOp::ReduceMin;
  return a.lanes() == 1 ? a : operation(fold, {a.expr()});
}

Value shortDotsOf(const Value& a, const Value& b) { return operation(LoopOp::ShortDots, {a.expr(), b.expr()}); }
Value dot4Of(const Value& sum, const Value& a, const Value& b) { return operation(LoopOp::Dot4, {sum.expr(), a.expr(), b.expr()}); }

Value dotPairsOf(const Value& sum, const Value& a, const Value& b) { return operation(LoopOp::DotPairs, {sum.expr(), a.expr(), b.expr()}); }
Value fmaFlushedOf(const Value& a, const Value& b, const Value& c) { return operation(LoopOp::FmaFlushed, {a.expr(), b.expr(), c.expr()}); }

Value shuffleOf(const Value& a, const Value& b, std::vector<int> pattern) {
  LoopExpr expr;
  expr.args = {a.expr(), b.expr()};
  expr.pattern = std::move(pattern);
  return operation(LoopOp::Shuffle, std::move(expr));
}

static Value inTable(LoopOp op, const Value& index, std::span<const float> table) {
  LoopExpr expr;
  expr.args = {index.expr()};
  expr.table.assign(table.begin(), table.end());
  return operation(op, std::move(expr));
}
Value lookupOf(const Value& index, std::span<const float> table) { return inTable(LoopOp::Lookup, index, table); }
Value lookupBytesOf(const Value& bytes, std::span<const float> table) { return inTable(LoopOp::LookupBytes, bytes, table); }

}  // namespace quern
