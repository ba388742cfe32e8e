// compiler/loops/RowLoops.cpp — see RowLoops.h.
#include "compiler/loops/RowLoops.h"

#include <bit>
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

Value softmaxPower(const Value& x, const Value& top, float scale) {
  Value distance = x - top;
  return callOf(LoopOp::Decay, scale == 1.0f ? distance : distance * f32Const(scale, x.lanes()));
}

/// The largest lane, NaNs passed over.
static Value reducedPlainMax(LoopBuilder& b, const Value& x) { return x.lanes() == 1 ? x : shuffleOf(foldTogether(b, plainMax, {x}), x, {0}); }

static constexpr float kLowest = -std::numeric_limits<float>::infinity();

/// `known` columns, all of them in registers from the load to the store.
static void softmaxInRegisters(OpBuild& build, int lanes, int64_t known, const SoftmaxRow& row) {
  LoopBuilder& b = build.b;
  auto vectors = static_cast<size_t>((known + lanes - 1) / lanes);
  Value mask = maskOf(known % lanes, lanes);
  auto maskAt = [&](size_t i) { return known % lanes != 0 && i + 1 == vectors ? &mask : nullptr; };
  std::vector<Value> x;
  Value top = f32Const(kLowest, lanes);
  for (size_t i = 0; i < vectors; ++i) {
    Value each = row.load(static_cast<int64_t>(i) * lanes, lanes, maskAt(i));
    if (maskAt(i) != nullptr) each = selectOf(mask, each, f32Const(kLowest, lanes));  // its exponential is 0
    x.push_back(b.let("x", each));
  }
  for (const Value& each : x) top = b.let("top", plainMax(top, each));
  top = b.let("top", broadcast(reducedPlainMax(b, top), lanes));
  // The order of RowReduce: partial vectors by column, then folded in halves.
  std::vector<Value> partials(static_cast<size_t>(RowReduce::kPartials / lanes), f32Const(0, lanes));
  for (size_t i = 0; i < vectors; ++i) {
    x[i] = b.let("power", softmaxPower(x[i], top, row.scale));
    Value& partial = partials[i % partials.size()];
    partial = i < partials.size() ? x[i] : b.let("sum", partial + x[i]);
  }
  partials.resize(std::min(partials.size(), std::bit_ceil(vectors)), f32Const(0, lanes));  // the others are zeros
  Value sum = foldVectors(b, [](const Value& p, const Value& q) { return p + q; }, std::move(partials));
  Value inverse = b.let("inverse", broadcast(f32Const(1.0f) / reduceOf(LoopOp::Add, sum), lanes));
  for (size_t i = 0; i < vectors; ++i) b.store(row.out, row.place(static_cast<int64_t>(i) * lanes), x[i] * inverse, maskAt(i));
}

static Value rowMax(OpBuild& build, int lanes, const SoftmaxRow& row) {
  RowReduce highest(build, "max", LoopOp::Max, lanes, row.columns);
  highest.runWith([&](const Value& acc, const Value& at, const Value* mask) {
    Value x = row.load(at, lanes, mask);
    return plainMax(acc, build.b.let("x", mask == nullptr ? x : selectOf(*mask, x, f32Const(kLowest, lanes))));
  });
  return reducedPlainMax(build.b, highest.foldToVector(plainMax));
}

void softmaxRow(OpBuild& build, const RowSchedule& s, const SoftmaxRow& row) {
  LoopBuilder& b = build.b;
  int lanes = static_cast<int>(s.lanes);
  const int64_t* known = row.columns.constant();
  if (known != nullptr && build.masks() && *known <= int64_t{build.target.isa().vectorRegisters} / 2 * lanes) return softmaxInRegisters(build, lanes, *known, row);
  Value top = b.let("top", broadcast(rowMax(build, lanes, row), lanes));
  RowReduce sum(build, "sum", LoopOp::Add, lanes, row.columns);
  sum.run([&](const Value& at, const Value* mask) {
    Value power = b.let("power", softmaxPower(row.load(at, lanes, mask), top, row.scale));
    b.store(row.out, row.place(at), power, mask);
    return power;
  });
  Value inverse = b.let("inverse", f32Const(1.0f) / sum.fold());
  build.forVectors("j", 0, row.columns, lanes, static_cast<int>(s.unroll), build.masks(), [&](const Value& at, int width, const Value* mask) {
    b.store(row.out, row.place(at), b.load(row.out, row.place(at), width, mask) * broadcast(inverse, width), mask);
  });
}

}  // namespace quern
