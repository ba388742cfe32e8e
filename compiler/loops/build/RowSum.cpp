// compiler/loops/build/RowSum.cpp — see RowSum.h.
#include "compiler/loops/build/RowSum.h"

namespace quern {

RunningSum RunningSum::plus(LoopBuilder& b, const Value& addend) const {
  int lanes = addend.lanes();
  Value from = b.let("from", sum), term = b.let("term", addend), plain = b.let("plain", from + term);
  Value fine = b.let("fine", lessThan(unary(LoopOp::Abs, plain), f32Const(kSafeSum, lanes)));  // elsewhere what was lost cannot be told
  Value added = b.let("added", plain - from);
  Value off = b.let("off", lost + ((from - (plain - added)) + (term - added)));
  Value total = b.let("sum", plain + off);
  return {b.let("sum", selectOf(fine, total, plain)), b.let("lost", selectOf(fine, off - (total - plain), f32Const(0, lanes)))};
}

static Value blockSum(OpBuild& build, const std::string& name, int lanes, const Value& columns, const SumStep& step) {
  RowReduce part(build, name, LoopOp::Add, lanes, columns);
  part.runWith(step);
  return part.fold();
}

Value rowSum(OpBuild& build, const std::string& name, int lanes, const Value& columns, const SumStep& step, int64_t most) {
  LoopBuilder& b = build.b;
  const int64_t* known = columns.constant();
  if ((known == nullptr ? most : *known) <= kSumBlock) return blockSum(build, name, lanes, columns, step);
  RegArray total = b.reg(name + "_total", {2}, f32Const(0));
  auto take = [&](const Value& first, const Value& count) {
    Value block = blockSum(build, name, lanes, count,
                           [&](const Value& acc, const Value& at, const Value* mask) { return step(acc, first + at, mask); });
    RunningSum next = RunningSum{b.get(total, {0}), b.get(total, {1})}.plus(b, block);
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
