// compiler/loops/RowLoops.cpp — see RowLoops.h.
#include "compiler/loops/RowLoops.h"

#include <limits>

namespace quern {

RowView rowView(const OpBuild& build, const TensorSpec& x, size_t axis) {
  RowView view;
  for (size_t i = 0; i < x.dims.size(); ++i) {
    Value extent = build.dim(x.dims[i]);
    Value& into = i < axis ? view.outer : i == axis ? view.n : view.inner;
    into = into * extent;
  }
  return view;
}

void forRows(OpBuild& build, const Value& rows, int64_t rowsEach, const std::function<void(const Value&)>& body) {
  LoopBuilder& b = build.b;
  b.phase(ceilDivOf(rows, rowsEach), [&](const Value& task) {
    Value first = b.let("row0", task * rowsEach);
    b.loop("row", first, rowsEach == 1 ? first + 1 : minOf(first + rowsEach, rows), 1, body);
  });
}

Value columnReduce(OpBuild& build, const std::string& name, LoopOp op, int lanes, const Value& n, const std::function<Value(const Value&)>& value) {
  constexpr int64_t kChains = 8;
  constexpr float kInf = std::numeric_limits<float>::infinity();
  LoopBuilder& b = build.b;
  Value identity = f32Const(op == LoopOp::Add ? 0.0f : op == LoopOp::Max ? -kInf : kInf, lanes);
  RegArray chains = b.reg(name, {static_cast<int>(kChains)}, identity);
  Value bulk = b.let(name + "_bulk", n / kChains * kChains);
  auto step = [&](const Value& chain, const Value& row) { b.set(chains, {chain}, binary(op, b.get(chains, {chain}), value(row))); };
  b.loop(name + "_r", 0, bulk, kChains, [&](const Value& r) {
    b.unroll(name + "_c", kChains, [&](const Value& c) { step(c, r + c); });
  });
  for (int64_t c = 0; c < kChains - 1; ++c) {
    Value row = bulk + c;
    if (row.constant() == nullptr || n.constant() == nullptr) b.when(lessThan(row, n), [&] { step(c, row); });
    else if (*row.constant() < *n.constant()) step(c, row);
  }
  for (int64_t half = kChains / 2; half >= 1; half /= 2)
    for (int64_t i = 0; i < half; ++i) b.set(chains, {i}, binary(op, b.get(chains, {i}), b.get(chains, {i + half})));
  return b.let(name, b.get(chains, {0}));
}

Value plainMax(const Value& a, const Value& b) { return selectOf(lessThan(a, b), b, a); }

using Combine = std::function<Value(const Value&, const Value&)>;

Value foldVectors(LoopBuilder& b, const Combine& combine, std::vector<Value> vectors) {
  for (size_t half = vectors.size() / 2; half >= 1; half /= 2) {
    for (size_t i = 0; i < half; ++i) vectors[i] = b.let("fold", combine(vectors[i], vectors[i + half]));
    vectors.resize(half);
  }
  return vectors[0];
}

Value foldTogether(LoopBuilder& b, const Combine& combine, std::vector<Value> vectors) {
  int lanes = vectors[0].lanes();
  for (Value& each : vectors) each = b.let("whole", each);
  for (int half = lanes / 2; half >= 1; half /= 2) {
    // In each group of 2 half lanes: the lower half of one source beside the upper of the next, and the other halves crosswise.
    std::vector<int> straight, crossed;
    bool alone = vectors.size() == 1;
    for (int lane = 0; lane < lanes; ++lane) {
      bool upper = lane / half % 2 == 1;
      straight.push_back(upper ? lanes + lane : lane);
      crossed.push_back(upper ? lanes + lane - half : lane + half);
    }
    size_t pairs = alone ? 1 : vectors.size() / 2;
    for (size_t i = 0; i < pairs; ++i) {
      const Value &x = vectors[i], &y = alone ? x : vectors[i + pairs];
      Value kept = alone ? x : b.let("kept", shuffleOf(x, y, straight));
      vectors[i] = b.let("fold", combine(kept, shuffleOf(x, y, crossed)));
    }
    vectors.resize(pairs);
  }
  return vectors[0];
}

void softmaxRow(OpBuild& build, const Value& n, float scale, const RowSchedule& s, const std::function<Value(const Value&, int, const Value*)>& load,
                const BufferRef& out, const std::function<std::vector<Value>(const Value&)>& place) {
  LoopBuilder& b = build.b;
  int lanes = static_cast<int>(s.lanes);
  RowReduce highest(build, "max", LoopOp::Max, lanes, n);
  highest.run([&](const Value& at, const Value* mask) { return load(at, lanes, mask); });
  Value top = b.let("top", broadcast(highest.fold(), lanes));
  RowReduce sum(build, "sum", LoopOp::Add, lanes, n);
  sum.run([&](const Value& at, const Value* mask) {
    Value distance = load(at, lanes, mask) - top;
    Value power = b.let("power", callOf(LoopOp::Exp, scale == 1.0f ? distance : distance * f32Const(scale, lanes)));
    b.store(out, place(at), power, mask);
    return power;
  });
  Value inverse = b.let("inverse", f32Const(1.0f) / sum.fold());
  build.forVectors("j", 0, n, lanes, static_cast<int>(s.unroll), build.masks(), [&](const Value& at, int width, const Value* mask) {
    b.store(out, place(at), b.load(out, place(at), width, mask) * broadcast(inverse, width), mask);
  });
}

}  // namespace quern
