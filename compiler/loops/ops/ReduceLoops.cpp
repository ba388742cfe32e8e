// compiler/loops/ops/ReduceLoops.cpp — sum, mean, max, min along the last axis (rows, several folded together), or another (blocks of
// columns).
#include "compiler/loops/ops/ColumnLoops.h"
#include "compiler/loops/ops/OpLoops.h"
#include "compiler/loops/build/RowSum.h"

#include <limits>
#include <optional>

namespace quern {

namespace {

struct Reduction {
  OpBuild& build;
  LoopOp fn;
  bool mean;
  int lanes;
  RowView view;

  bool sums() const { return fn == LoopOp::Add; }

  /// The result of a total that was taken times `scale`.
  Value finished(const Value& total, float scale = 1) const {
    Value out = mean ? total / broadcast(unary(LoopOp::ToF32, view.n), total.lanes()) : total;
    return scale == 1 ? out : out * f32Const(1 / scale, total.lanes());
  }

  /// 1 in the lanes whose sum is not good, 0 elsewhere.
  static Value unsafeLanes(const Value& sum) {
    int width = sum.lanes();
    return selectOf(lessThan(unary(LoopOp::Abs, sum), f32Const(kSafeSum, width)), f32Const(0, width), f32Const(1, width));
  }

  /// One row of any length. A sum that does not fit, or that has a part that does not, is taken again, scaled.
  void row(const BufferRef& x, const BufferRef& out, const Value& row) const {
    LoopBuilder& b = build.b;
    auto load = [&](const Value& at, const Value* mask) { return b.load(x, {row, at}, lanes, mask); };
    if (!sums()) {
      RowReduce total(build, "total", fn, lanes, view.n);
      total.run(load);
      return b.store(out, {row}, total.fold());
    }
    Value total =
        rowSum(build, "total", lanes, view.n, [&](const Value& acc, const Value& at, const Value* mask) { return acc + load(at, mask); });
    b.when(
        lessThan(unary(LoopOp::Abs, total), f32Const(kSafeSum)), [&] { b.store(out, {row}, finished(total)); },
        [&] {
          Value scaled = rowSum(build, "scaled", lanes, view.n, [&](const Value& acc, const Value& at, const Value* mask) {
            return build.mulAdd(load(at, mask), f32Const(kDown, lanes), acc);
          });
          b.store(out, {row}, finished(scaled, kDown));
        });
  }

  /// `together` rows from `first` on, of one block: each by itself into 64 partials, then folded with shared instructions. `spoilt`
  /// becomes NaN where a sum is no number; a partial that overflowed makes it none.
  void rows(const BufferRef& x, const BufferRef& out, const Value& first, int together, const RegArray* spoilt) const {
    LoopBuilder& b = build.b;
    auto combine = [this](const Value& p, const Value& q) { return binary(fn, p, q); };
    std::vector<Value> totals;
    for (int u = 0; u < together; ++u) {
      RowReduce total(build, "total", fn, lanes, view.n);
      total.run([&](const Value& at, const Value* mask) { return b.load(x, {first + u, at}, lanes, mask); });
      totals.push_back(total.foldToVector(combine));
    }
    Value folded = foldTogether(b, combine, std::move(totals));
    std::vector<int> pattern;
    for (int u = 0; u < together; ++u) pattern.push_back(u * (lanes / together));
    Value each = b.let("each", lanes == 1 ? folded : shuffleOf(folded, folded, pattern));
    if (spoilt != nullptr) b.set(*spoilt, {0}, build.mulAdd(each, f32Const(0, together), b.get(*spoilt, {0})));
    b.store(out, {first}, finished(each));
  }

  void alongLast() const {
    LoopBuilder& b = build.b;
    BufferRef x = b.denseBuffer("x", Scalar::F32, BufferRole::In, {view.outer, view.n});
    BufferRef out = b.denseBuffer("out", Scalar::F32, BufferRole::Out, {view.outer});
    int together = lanes >= 8 && rowsEach >= lanes / 4 ? lanes / 4 : 1;
    const int64_t* known = view.n.constant();
    b.phase(ceilDivOf(view.outer, rowsEach), [&](const Value& task) {
      Value first = b.let("row0", task * rowsEach), end = b.let("row1", minOf(first + rowsEach, view.outer));
      auto one = [&](const Value& from) { b.loop("row", from, end, 1, [&](const Value& r) { row(x, out, r); }); };
      auto several = [&] {
        Value whole = b.let("whole", first + (end - first) / together * together);
        std::optional<RegArray> spoilt;
        if (sums()) spoilt = b.reg("spoilt", {1}, f32Const(0, together));
        b.loop("row", first, whole, together, [&](const Value& r) { rows(x, out, r, together, spoilt ? &*spoilt : nullptr); });
        one(whole);
        if (!spoilt) return;
        // Good rows give the same bits again.
        Value good = binary(LoopOp::Eq, reduceOf(LoopOp::Add, b.get(*spoilt, {0})), f32Const(0));
        b.when(good, [] {}, [&] { b.loop("again", first, whole, 1, [&](const Value& r) { row(x, out, r); }); });
      };
      if (together == 1 || (sums() && known != nullptr && *known > kSumBlock)) one(first);
      else if (!sums() || known != nullptr) several();
      else b.when(lessThan(kSumBlock, view.n), [&] { one(first); }, several);
    });
  }

  void alongOther() const {
    LoopBuilder& b = build.b;
    BufferRef x = b.denseBuffer("x", Scalar::F32, BufferRole::In, {view.outer, view.n, view.inner});
    BufferRef out = b.denseBuffer("out", Scalar::F32, BufferRole::Out, {view.outer, view.inner});
    ColumnReduce total(build, "total", fn, lanes);
    forColumnBlocks(build, view, [&](const Value& o, const Value& first, const Value& count) {
      auto load = [&](const Value& r, const Value& at, int width, const Value* mask) { return b.load(x, {o, r, first + at}, width, mask); };
      if (!sums())
        return total.run(view.n, count, load,
                         [&](const Value& at, int, const Value* mask, const Value& best) { b.store(out, {o, first + at}, best, mask); });
      RegArray worst = b.reg("worst", {1}, f32Const(0));
      total.run(view.n, count, load, [&](const Value& at, int width, const Value* mask, const Value& sum) {
        Value good = lessThan(unary(LoopOp::Abs, sum), f32Const(kSafeSum, width));
        b.set(worst, {0}, plainMax(b.get(worst, {0}), reducedPlainMax(b, unsafeLanes(sum))));
        b.store(out, {o, first + at}, selectOf(good, finished(sum), f32Const(kAgain, width)), mask);
      });
      // Columns beside one that is taken again keep what they have: a column's bits depend on it alone.
      auto again = [&](const Value& r, const Value& at, int width, const Value* mask) {
        return load(r, at, width, mask) * f32Const(kDown, width);
      };
      b.when(lessThan(f32Const(0.5f), b.get(worst, {0})), [&] {
        total.run(view.n, count, again, [&](const Value& at, int width, const Value* mask, const Value& sum) {
          Value before = b.load(out, {o, first + at}, width, mask);
          Value repeat = binary(LoopOp::Eq, before, f32Const(kAgain, width));
          b.store(out, {o, first + at}, selectOf(repeat, finished(sum, kDown), before), mask);
        });
      });
    });
  }

  // What does not fit has a partial of 2^119 at least: what vanishes times this does not count beside it.
  static constexpr float kDown = 0x1p-64f;
  // No good total, nor mean of one.
  static constexpr float kAgain = std::numeric_limits<float>::infinity();

  int64_t rowsEach = 1;
};

}  // namespace

void buildLoops(OpBuild& build, const ReduceOp& op, const RowSchedule& s) {
  LoopOp fn = op.fn == ReduceFn::Max ? LoopOp::Max : op.fn == ReduceFn::Min ? LoopOp::Min : LoopOp::Add;
  Reduction reduction{build, fn, op.fn == ReduceFn::Mean, static_cast<int>(s.lanes), rowView(build, op.inputs()[0], op.axisIndex()),
                      s.rows};
  if (reduction.view.inner.isConstant(1)) reduction.alongLast();
  else reduction.alongOther();
}

}  // namespace quern
