// compiler/loops/ReduceLoops.cpp — sum, mean, max, min along the last axis (rows, several folded together), or another (blocks of
// columns).
#include "compiler/loops/ColumnLoops.h"
#include "compiler/loops/OpLoops.h"

namespace quern {

namespace {

struct Reduction {
  OpBuild& build;
  LoopOp fn;
  bool mean;
  int lanes;
  RowView view;

  Value finished(const Value& total) const {
    if (!mean) return total;
    return total / broadcast(castTo(LoopOp::ToF32, view.n), total.lanes());
  }

  /// `together` rows from `row` on: each by itself into 64 partials, then folded with shared instructions.
  void rows(const BufferRef& x, const BufferRef& out, const Value& row, int together) const {
    LoopBuilder& b = build.b;
    auto combine = [this](const Value& p, const Value& q) { return binary(fn, p, q); };
    std::vector<Value> totals;
    for (int u = 0; u < together; ++u) {
      RowReduce total(build, "total", fn, lanes, view.n);
      total.run([&](const Value& at, const Value* mask) { return b.load(x, {row + u, at}, lanes, mask); });
      totals.push_back(total.foldToVector(combine));
    }
    Value folded = foldTogether(b, combine, std::move(totals));
    std::vector<int> pattern;
    for (int u = 0; u < together; ++u) pattern.push_back(u * (lanes / together));
    b.store(out, {row}, finished(lanes == 1 ? folded : shuffleOf(folded, folded, pattern)));
  }

  void alongLast() const {
    LoopBuilder& b = build.b;
    BufferRef x = b.denseBuffer("x", Stored::F32, BufferRole::In, {view.outer, view.n});
    BufferRef out = b.denseBuffer("out", Stored::F32, BufferRole::Out, {view.outer});
    int together = lanes >= 8 ? lanes / 4 : 1;
    b.phase(ceilDivOf(view.outer, rowsEach), [&](const Value& task) {
      Value first = b.let("row0", task * rowsEach), end = b.let("row1", minOf(first + rowsEach, view.outer));
      Value whole = b.let("whole", first + (end - first) / together * together);
      if (rowsEach >= together) b.loop("row", first, whole, together, [&](const Value& row) { rows(x, out, row, together); });
      b.loop("row", rowsEach >= together ? whole : first, end, 1, [&](const Value& row) { rows(x, out, row, 1); });
    });
  }

  void alongOther() const {
    LoopBuilder& b = build.b;
    BufferRef x = b.denseBuffer("x", Stored::F32, BufferRole::In, {view.outer, view.n, view.inner});
    BufferRef out = b.denseBuffer("out", Stored::F32, BufferRole::Out, {view.outer, view.inner});
    ColumnReduce total(build, "total", fn, lanes);
    forColumnBlocks(build, view, [&](const Value& o, const Value& first, const Value& count) {
      total.run(
          view.n, count,
          [&](const Value& r, const Value& at, int width, const Value* mask) { return b.load(x, {o, r, first + at}, width, mask); },
          [&](const Value& at, int, const Value* mask, const Value& sum) { b.store(out, {o, first + at}, finished(sum), mask); });
    });
  }

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
