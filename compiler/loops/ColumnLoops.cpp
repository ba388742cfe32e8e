// compiler/loops/ColumnLoops.cpp — see ColumnLoops.h.
#include "compiler/loops/ColumnLoops.h"

#include <limits>

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
      chains_(build.b.denseBuffer(name, Stored::F32, BufferRole::ThreadScratch, {kChains, kColumns})) {}

void ColumnReduce::run(const Value& n, const Value& count, const RowValue& value, const Finish& finish) {
  LoopBuilder& b = build_.b;
  constexpr float kInf = std::numeric_limits<float>::infinity();
  float identity = op_ == LoopOp::Add ? 0.0f : op_ == LoopOp::Max ? -kInf : kInf;
  auto each = [&](const OpBuild::VectorStep& step) { build_.forVectors("j", 0, count, lanes_, 1, build_.masks(), step); };
  each([&](const Value& at, int lanes, const Value* mask) {
    for (int64_t c = 0; c < kChains; ++c) b.store(chains_, {c, at}, f32Const(identity, lanes), mask);
  });
  auto take = [&](const Value& chain, const Value& row, const Value& at, int lanes, const Value* mask) {
    b.store(chains_, {chain, at}, binary(op_, b.load(chains_, {chain, at}, lanes, mask), value(row, at, lanes, mask)), mask);
  };
  Value bulk = b.let("bulk", n / kChains * kChains);
  b.loop("r", 0, bulk, kChains, [&](const Value& r) {
    each([&](const Value& at, int lanes, const Value* mask) {
      for (int64_t c = 0; c < kChains; ++c) take(c, r + c, at, lanes, mask);
    });
  });
  b.loop("r", bulk, n, 1,
         [&](const Value& r) { each([&](const Value& at, int lanes, const Value* mask) { take(r - bulk, r, at, lanes, mask); }); });
  each([&](const Value& at, int lanes, const Value* mask) {
    std::vector<Value> chains;
    for (int64_t c = 0; c < kChains; ++c) chains.push_back(b.let("chain", b.load(chains_, {c, at}, lanes, mask)));
    finish(at, lanes, mask, foldVectors(b, [this](const Value& x, const Value& y) { return binary(op_, x, y); }, std::move(chains)));
  });
}

}  // namespace quern
