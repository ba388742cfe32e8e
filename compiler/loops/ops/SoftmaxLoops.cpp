// compiler/loops/ops/SoftmaxLoops.cpp — softmax along the last axis (row by row; long rows in blocks), or another (blocks of columns).
#include "compiler/loops/ops/ColumnLoops.h"
#include "compiler/loops/ops/OpLoops.h"
#include "compiler/loops/build/RowSum.h"

#include <bit>
#include <limits>

namespace quern {

/// Where columns of one row come from and go to. `load` gives lanes of x at a column (lanes that are off in `mask`: anything);
/// out[place(column)] takes the result, and meanwhile the exponentials.
struct SoftmaxRow {
  Value columns;  ///< > 0
  int64_t most;   ///< columns at most
  float scale = 1;
  std::function<Value(const Value& at, int lanes, const Value* mask)> load;
  BufferRef out;
  std::function<std::vector<Value>(const Value& at)> place;
};

/// exp((x - top) scale)
static Value softmaxPower(const Value& x, const Value& top, float scale) {
  constexpr float kSmallScale = 0x1p-100f;  // a distance that overflows would not be far
  Value half = f32Const(0.5f, x.lanes());
  if (scale < kSmallScale) return unary(LoopOp::Decay, (x * half - top * half) * f32Const(2 * scale, x.lanes()));
  Value distance = x - top;
  return unary(LoopOp::Decay, scale == 1.0f ? distance : distance * f32Const(scale, x.lanes()));
}

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

/// The sum of the exponentials of x - top, which `keep` stores.
static Value sumOfPowers(OpBuild& build, int lanes, const SoftmaxRow& row, const Value& top,
                         const std::function<void(const Value& at, const Value& power, const Value* mask)>& keep) {
  LoopBuilder& b = build.b;
  return rowSum(
      build, "sum", lanes, row.columns,
      [&](const Value& acc, const Value& at, const Value* mask) {
        Value power = b.let("power", softmaxPower(row.load(at, lanes, mask), top, row.scale));
        keep(at, power, mask);
        return acc + (mask == nullptr ? power : selectOf(*mask, power, f32Const(0, lanes)));
      },
      row.most);
}

static void softmaxRow(OpBuild& build, const RowSchedule& s, const SoftmaxRow& row) {
  LoopBuilder& b = build.b;
  int lanes = static_cast<int>(s.lanes);
  const int64_t* known = row.columns.constant();
  if (known != nullptr && build.masks() && *known <= int64_t{build.target.isa().vectorRegisters} / 2 * lanes)
    return softmaxInRegisters(build, lanes, *known, row);
  Value top = b.let("top", broadcast(rowMax(build, lanes, row), lanes));
  Value sum = sumOfPowers(build, lanes, row, top,
                          [&](const Value& at, const Value& power, const Value* mask) { b.store(row.out, row.place(at), power, mask); });
  Value inverse = b.let("inverse", f32Const(1.0f) / sum);
  build.forVectors("j", 0, row.columns, lanes, static_cast<int>(s.unroll), build.masks(),
                   [&](const Value& at, int width, const Value* mask) {
                     b.store(row.out, row.place(at), b.load(row.out, row.place(at), width, mask) * broadcast(inverse, width), mask);
                   });
}

/// How many columns row i of a causal r x c matrix has.
static Value causalLimit(LoopBuilder& b, Causal causal, const Value& i, const Value& r, const Value& c) {
  Value limit = causal == Causal::TopLeft ? i + 1 : i + 1 + (c - r);
  return b.let("limit", minOf(maxOf(limit, 0), c));
}

static int64_t mostOf(const Value& columns) {
  const int64_t* known = columns.constant();
  return known == nullptr ? std::numeric_limits<int64_t>::max() : *known;
}

/// Rows longer than this are done in blocks, by as many tasks.
static constexpr int64_t kLongRow = 65536, kBlock = 16384;

/// Long rows: each block's maximum and sum of exponentials, then, once all are known, the result. The blocks' sums are brought to the
/// row's maximum and added ascending, with what each addition loses (RowSum.h).
class LongSoftmax {
public:
  LongSoftmax(OpBuild& build, const SoftmaxOp& op, const RowSchedule& s, const RowView& view, BufferRef x, BufferRef out)
      : build_(build),
        b_(build.b),
        op_(op),
        s_(s),
        lanes_(static_cast<int>(s.lanes)),
        view_(view),
        x_(x),
        out_(out),
        blocks_(ceilDivOf(view.n, kBlock)) {
    auto parts = [&](const char* name) { return b_.denseBuffer(name, Scalar::F32, BufferRole::SharedScratch, {view_.outer, blocks_}); };
    highest_ = parts("highest_parts");
    sums_ = parts("sum_parts");
  }

  Value tasks() const { return view_.outer * blocks_; }

  /// Task `task` of the first phase.
  void measure(const Value& task) {
    Block at = blockOf(task);
    SoftmaxRow row{
        at.count,     kBlock,
        op_.factor(), [&](const Value& j, int lanes, const Value* mask) { return b_.load(x_, {at.row, at.first + j}, lanes, mask); },
        out_,         {}};
    Value top = b_.let("top", rowMax(build_, lanes_, row));
    Value own = b_.let("own", broadcast(exponentBase(b_, top), lanes_));
    Value sum = sumOfPowers(build_, lanes_, row, own, [&](const Value& j, const Value& power, const Value* mask) {
      b_.store(out_, {at.row, at.first + j}, power, mask);
    });
    b_.store(highest_, {at.row, at.block}, top);
    b_.store(sums_, {at.row, at.block}, sum);
  }

  /// Task `task` of the second.
  void finish(const Value& task) {
    Block at = blockOf(task);
    RegArray state = b_.reg("row", {3}, f32Const(kLowest));  // maximum; sum and what it lost
    b_.loop("p", 0, blocks_, 1, [&](const Value& p) { b_.set(state, {0}, plainMax(b_.get(state, {0}), b_.load(highest_, {at.row, p}))); });
    Value top = b_.let("top", b_.get(state, {0}));
    for (int i : {1, 2}) b_.set(state, {i}, f32Const(0));
    b_.loop("p", 0, blocks_, 1, [&](const Value& p) {
      Value share = b_.let("share", softmaxPower(b_.load(highest_, {at.row, p}), exponentBase(b_, top), op_.factor()));
      Value term = b_.let("term", b_.load(sums_, {at.row, p}) * share);
      RunningSum next = RunningSum{b_.get(state, {1}), b_.get(state, {2})}.plus(b_, term);
      b_.set(state, {1}, next.sum);
      b_.set(state, {2}, next.lost);
    });
    Value own = softmaxPower(b_.load(highest_, {at.row, at.block}), exponentBase(b_, top), op_.factor());
    Value factor = b_.let("factor", own / b_.get(state, {1}));
    build_.forVectors("j", at.first, at.count, lanes_, static_cast<int>(s_.unroll), build_.masks(),
                      [&](const Value& j, int lanes, const Value* mask) {
                        b_.store(out_, {at.row, j}, b_.load(out_, {at.row, j}, lanes, mask) * broadcast(factor, lanes), mask);
                      });
  }

private:
  struct Block {
    Value row, block, first, count;
  };
  Block blockOf(const Value& task) {
    Value block = b_.let("block", task % blocks_), first = b_.let("first", block * kBlock);
    return {b_.let("row", task / blocks_), block, first, b_.let("count", minOf(kBlock, view_.n - first))};
  }

  OpBuild& build_;
  LoopBuilder& b_;
  const SoftmaxOp& op_;
  const RowSchedule& s_;
  int lanes_;
  RowView view_;
  BufferRef x_, out_, highest_, sums_;
  Value blocks_;
};

/// One row, whole: masked columns of a causal one are zeros and not read.
static void wholeRow(OpBuild& build, const SoftmaxOp& op, const RowSchedule& s, const RowView& view, const BufferRef& x,
                     const BufferRef& out, const Value& row) {
  LoopBuilder& b = build.b;
  auto normalise = [&](const Value& n) {
    softmaxRow(
        build, s,
        {n, mostOf(view.n), op.factor(), [&](const Value& at, int lanes, const Value* mask) { return b.load(x, {row, at}, lanes, mask); },
         out, [&](const Value& at) { return std::vector<Value>{row, at}; }});
  };
  if (op.causal == Causal::No) {
    if (!view.n.isConstant(0)) normalise(view.n);
    return;
  }
  Value r = build.dim(op.inputs()[0].dims[op.x.size() - 2]);
  Value limit = causalLimit(b, op.causal, r.isConstant(1) ? Value(0) : b.let("i", row % r), r, view.n);
  b.when(lessThan(0, limit), [&] { normalise(limit); });
  build.forVectors("z", limit, view.n - limit, static_cast<int>(s.lanes), 1, build.masks(),
                   [&](const Value& at, int lanes, const Value* mask) { b.store(out, {row, at}, f32Const(0, lanes), mask); });
}

static void lastAxis(OpBuild& build, const SoftmaxOp& op, const RowSchedule& s) {
  LoopBuilder& b = build.b;
  RowView view = rowView(build, op.inputs()[0], op.axisIndex());
  BufferRef x = b.denseBuffer("x", Scalar::F32, BufferRole::In, {view.outer, view.n});
  BufferRef out = b.denseBuffer("out", Scalar::F32, BufferRole::Out, {view.outer, view.n});
  const int64_t* known = view.n.constant();
  bool canBeLong = op.causal == Causal::No && (known == nullptr || *known > kLongRow), canBeShort = known == nullptr || !canBeLong;
  auto whole = [&](const Value& row) { wholeRow(build, op, s, view, x, out, row); };
  if (!canBeLong) return forRows(build, view.outer, s.rows, whole);
  LongSoftmax rows(build, op, s, view, x, out);
  Value isLong = minOf(1, view.n / (kLongRow + 1));  // 1 or 0: the other form has no tasks
  b.phase(isLong * rows.tasks(), [&](const Value& task) { rows.measure(task); });
  if (!canBeShort) return b.phase(rows.tasks(), [&](const Value& task) { rows.finish(task); });
  b.phase(isLong * rows.tasks() + (Value(1) - isLong) * ceilDivOf(view.outer, s.rows), [&](const Value& task) {
    b.when(
        lessThan(kLongRow, view.n), [&] { rows.finish(task); },
        [&] {
          Value first = b.let("row0", task * s.rows);
          b.loop("row", first, minOf(first + s.rows, view.outer), 1, whole);
        });
  });
}

static void otherAxis(OpBuild& build, const SoftmaxOp& op, const RowSchedule& s) {
  LoopBuilder& b = build.b;
  int lanes = static_cast<int>(s.lanes);
  RowView view = rowView(build, op.inputs()[0], op.axisIndex());
  std::vector<Value> shape = {view.outer, view.n, view.inner};
  BufferRef x = b.denseBuffer("x", Scalar::F32, BufferRole::In, shape), out = b.denseBuffer("out", Scalar::F32, BufferRole::Out, shape);
  BufferRef top = b.denseBuffer("top", Scalar::F32, BufferRole::ThreadScratch, {kColumns});  // then 1 / sum
  ColumnReduce highest(build, "max", LoopOp::Max, lanes), sum(build, "sum", LoopOp::Add, lanes);
  forColumnBlocks(build, view, [&](const Value& o, const Value& first, const Value& count) {
    highest.run(
        view.n, count,
        [&](const Value& r, const Value& at, int width, const Value* mask) { return b.load(x, {o, r, first + at}, width, mask); },
        [&](const Value& at, int, const Value* mask, const Value& total) { b.store(top, {at}, total, mask); });
    sum.run(
        view.n, count,
        [&](const Value& r, const Value& at, int width, const Value* mask) {
          Value power =
              b.let("power", softmaxPower(b.load(x, {o, r, first + at}, width, mask), b.load(top, {at}, width, mask), op.factor()));
          b.store(out, {o, r, first + at}, power, mask);
          return power;
        },
        [&](const Value& at, int width, const Value* mask, const Value& total) { b.store(top, {at}, f32Const(1, width) / total, mask); });
    b.loop("r", 0, view.n, 1, [&](const Value& r) {
      build.forVectors("j", 0, count, lanes, 1, build.masks(), [&](const Value& at, int width, const Value* mask) {
        b.store(out, {o, r, first + at}, b.load(out, {o, r, first + at}, width, mask) * b.load(top, {at}, width, mask), mask);
      });
    });
  });
}

void buildLoops(OpBuild& build, const SoftmaxOp& op, const RowSchedule& s) {
  RowView view = rowView(build, op.inputs()[0], op.axisIndex());
  if (view.inner.isConstant(1)) lastAxis(build, op, s);
  else otherAxis(build, op, s);
}

}  // namespace quern
