// compiler/loops/ops/KeptRows.cpp — see KeptRows.h.
#include "compiler/loops/ops/KeptRows.h"

#include "compiler/loops/build/Halves.h"
#include "compiler/loops/ops/CodedRows.h"
#include "compiler/op/BlockValues.h"

#include <limits>

namespace quern {

namespace {

constexpr int64_t kBlock = CodedBlock::kElements;

std::vector<Value> behind(std::span<const Value> place, std::initializer_list<Value> more) {
  std::vector<Value> all(place.begin(), place.end());
  all.insert(all.end(), more);
  return all;
}

/// The scale lies first, its low byte before its high one.
void storeScale(OpBuild& build, const BufferRef& to, std::span<const Value> place, const Value& block, const Value& scale) {
  LoopBuilder& b = build.b;
  Value held = lessThan(scale, f32Const(CodedBlock::kBeyondHalf));
  Value half = b.let("half", halfOfFloat(build, b.let("d", selectOf(held, scale, f32Const(std::numeric_limits<float>::quiet_NaN())))));
  b.store(to, behind(place, {block, 0}), half);
  b.store(to, behind(place, {block, 1}), binary(LoopOp::Lshr, half, i32Const(8)));
}

void storeBlock(OpBuild& build, const BufferRef& to, std::span<const Value> place, const Value& block, const std::vector<Value>& x) {
  LoopBuilder& b = build.b;
  Value most;
  for (const Value& each : x) {
    Value size = unary(LoopOp::Abs, each);
    most = most.expr() == nullptr ? size : b.let("most", maxOf(most, size));
  }
  Coding coding(b, b.let("amax", most.lanes() == 1 ? most : reduceOf(LoopOp::Max, most)));
  Value inverse = coding.inverse();
  storeScale(build, to, place, block, b.let("scale", coding.scale()));
  for (size_t i = 0; i < x.size(); ++i)
    b.store(to, behind(place, {block, 2 + static_cast<int64_t>(i) * x[i].lanes()}), coding.codes(x[i], inverse).bytes);
}

}  // namespace

void storeRow(OpBuild& build, const BufferRef& to, std::span<const Value> place, const Value& width, int lanes, const RowValues& value) {
  LoopBuilder& b = build.b;
  if (!to.blocks)
    return build.forVectors("j", 0, width, lanes, 1, build.masks(), [&](const Value& at, int count, const Value* mask) {
      storeFloats(build, to, behind(place, {at}), value(at, count, mask), mask);
    });
  b.loop("block", 0, width / kBlock, 1, [&](const Value& block) {
    std::vector<Value> x;
    for (int64_t first = 0; first < kBlock; first += lanes) x.push_back(b.let("x", value(block * kBlock + first, lanes, nullptr)));
    storeBlock(build, to, place, block, x);
  });
}

}  // namespace quern
