// compiler/loops/RowSum.cpp — see RowSum.h.
#include "compiler/loops/RowSum.h"

#include "compiler/loops/Lanes.h"

#include <limits>

namespace quern {

static constexpr float kInf = std::numeric_limits<float>::infinity();

RunningSum RunningSum::plus(LoopBuilder& b, const Value& addend, Unsafe unsafe) const {
  int lanes = addend.lanes();
  Value from = b.let("from", sum), term = b.let("term", addend), plain = b.let("plain", from + term);
  Value largest = plainMax(unary(LoopOp::Abs, plain), plainMax(unary(LoopOp::Abs, from), unary(LoopOp::Abs, term)));
  Value fine = b.let("fine", lessThan(largest, f32Const(kSafeSum, lanes)));
  // Elsewhere what was lost cannot be told, and Inf - Inf would be an invalid operation.
  Value x = b.let("x", clamped(from, kSafeSum)), y = b.let("y", clamped(term, kSafeSum)), s = b.let("s", x + y);
  Value added = b.let("added", s - x);
  Value off = b.let("off", lost + ((x - (s - added)) + (y - added)));
  Value total = b.let("sum", s + off);
  return {b.let("sum", selectOf(fine, total, unsafe == Unsafe::IsInf ? f32Const(kInf, lanes) : plain)),
          b.let("lost", selectOf(fine, off - (total - s), f32Const(0, lanes)))};
}

static Value blockSum(OpBuild& build, const std::string& name, int lanes, const Value& columns, Unsafe unsafe, const SumStep& step) {
  LoopBuilder& b = build.b;
  RowReduce part(build, name, LoopOp::Add, lanes, columns);
  part.runWith(step);
  if (unsafe == Unsafe::Stays) return part.fold();
  RegArray whole = b.reg(name + "_block", {1}, f32Const(kInf));
  b.when(lessThan(part.largest(), f32Const(kSafeTerm)), [&] { b.set(whole, {0}, part.fold()); });
  return b.let(name, b.get(whole, {0}));
}

Value rowSum(OpBuild& build, const std::string& name, int lanes, const Value& columns, Unsafe unsafe, const SumStep& step) {
  LoopBuilder& b = build.b;
  const int64_t* known = columns.constant();
  if (known != nullptr && *known <= kSumBlock) return blockSum(build, name, lanes, columns, unsafe, step);
  RegArray total = b.reg(name + "_total", {2}, f32Const(0));
  auto take = [&](const Value& first, const Value& count) {
    Value block = blockSum(build, name, lanes, count, unsafe,
                           [&](const Value& acc, const Value& at, const Value* mask) { return step(acc, first + at, mask); });
    RunningSum next = RunningSum{b.get(total, {0}), b.get(total, {1})}.plus(b, block, unsafe);
    b.set(total, {0}, next.sum);
    b.set(total, {1}, next.lost);
  };
  Value whole = b.let(name + "_whole", columns / kSumBlock * kSumBlock), rest = columns - whole;
  b.loop(name + "_at", 0, whole, kSumBlock, [&](const Value& first) { take(first, kSumBlock); });
  if (known == nullptr) b.when(lessThan(whole, columns), [&] { take(whole, b.let(name + "_left", rest)); });
  else if (!rest.isConstant(0)) take(whole, rest);
  return b.let(name, b.get(total, {0}));
}

}  // namespace quern
