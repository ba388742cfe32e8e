// compiler/loops/ops/ColumnLoops.cpp — see ColumnLoops.h.
#include "compiler/loops/ops/ColumnLoops.h"

#include "compiler/loops/build/Lanes.h"

#include <functional>

namespace quern {

void forColumnBlocks(OpBuild& build, const RowView& view, const std::function<void(const Value&, const Value&, const Value&)>& body) {
  LoopBuilder& b = build.b;
  Value blocks = ceilDivOf(view.inner, kColumns);
  b.phase(view.outer * blocks, [&](const Value& task) {
    Value first = b.let("first", task % blocks * kColumns);
    body(b.let("o", task / blocks), first, b.let("count", minOf(kColumns, view.inner - first)));
  });
}

ColumnReduce::ColumnReduce(OpBuild& build, const std::string& name, LoopOp op, int lanes)
    : build_(build),
      op_(op),
      lanes_(lanes),
      name_(name),
      chains_(build.b.denseBuffer(name, Scalar::F32, BufferRole::ThreadScratch, {kChains, kColumns})) {}

void ColumnReduce::each(const Value& count, const Step& step) { build_.forVectors("j", 0, count, lanes_, 1, build_.masks(), step); }

void ColumnReduce::runBlock(const Value& first, const Value& n, const Value& count, const RowValue& value) {
  LoopBuilder& b = build_.b;
  float identity = identityOf(op_);
  each(count, [&](const Value& at, int lanes, const Value* mask) {
    for (int64_t c = 0; c < kChains; ++c) b.store(chains_, {c, at}, f32Const(identity, lanes), mask);
  });
  auto take = [&](const Value& chain, const Value& row, const Value& at, int lanes, const Value* mask) {
    b.store(chains_, {chain, at}, binary(op_, b.load(chains_, {chain, at}, lanes, mask), value(row, at, lanes, mask)), mask);
  };
  Value bulk = b.let("bulk", n / kChains * kChains);
  b.loop("r", 0, bulk, kChains, [&](const Value& r) {
    each(count, [&](const Value& at, int lanes, const Value* mask) {
      for (int64_t c = 0; c < kChains; ++c) take(c, first + (r + c), at, lanes, mask);
    });
  });
  b.loop("r", bulk, n, 1, [&](const Value& r) {
    each(count, [&](const Value& at, int lanes, const Value* mask) { take(r - bulk, first + r, at, lanes, mask); });
  });
}

Value ColumnReduce::folded(const Value& at, int lanes, const Value* mask) {
  LoopBuilder& b = build_.b;
  std::vector<Value> chains;
  for (int64_t c = 0; c < kChains; ++c) chains.push_back(b.let("chain", b.load(chains_, {c, at}, lanes, mask)));
  return foldVectors(b, [this](const Value& x, const Value& y) { return binary(op_, x, y); }, std::move(chains));
}

void ColumnReduce::run(const Value& n, const Value& count, const RowValue& value, const Finish& finish) {
  LoopBuilder& b = build_.b;
  const int64_t* known = n.constant();
  if (op_ != LoopOp::Add || (known != nullptr && *known <= kBlockRows)) {
    runBlock(0, n, count, value);
    each(count, [&](const Value& at, int lanes, const Value* mask) { finish(at, lanes, mask, folded(at, lanes, mask)); });
    return;
  }
  if (!totals_) totals_ = b.denseBuffer(name_ + "_so_far", Scalar::F32, BufferRole::ThreadScratch, {2, kColumns});
  each(count, [&](const Value& at, int lanes, const Value* mask) {
    for (int i : {0, 1}) b.store(*totals_, {i, at}, f32Const(0, lanes), mask);
  });
  b.loop("block", 0, n, kBlockRows, [&](const Value& first) {
    runBlock(first, b.let("rows", minOf(kBlockRows, n - first)), count, value);
    each(count, [&](const Value& at, int lanes, const Value* mask) {
      RunningSum before{b.load(*totals_, {0, at}, lanes, mask), b.load(*totals_, {1, at}, lanes, mask)};
      RunningSum after = before.plus(b, folded(at, lanes, mask));
      b.store(*totals_, {0, at}, after.sum, mask);
      b.store(*totals_, {1, at}, after.lost, mask);
    });
  });
  each(count, [&](const Value& at, int lanes, const Value* mask) { finish(at, lanes, mask, b.load(*totals_, {0, at}, lanes, mask)); });
}

}  // namespace quern
