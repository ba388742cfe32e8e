// compiler/loops/ReduceLoops.cpp — sum, mean, max, min along the last axis (row by row), or another (columns in lanes).
#include "compiler/loops/OpLoops.h"
#include "compiler/loops/RowLoops.h"

namespace quern {

void buildLoops(OpBuild& build, const ReduceOp& op, const RowSchedule& s) {
  LoopBuilder& b = build.b;
  RowView view = rowView(build, op.inputs()[0], op.axisIndex());
  LoopOp fn = op.fn == ReduceFn::Max ? LoopOp::Max : op.fn == ReduceFn::Min ? LoopOp::Min : LoopOp::Add;
  int lanes = static_cast<int>(s.lanes);
  auto finished = [&](const Value& total) {
    if (op.fn != ReduceFn::Mean) return total;
    return total / broadcast(castTo(LoopOp::ToF32, view.n), total.lanes());
  };
  if (view.inner.isConstant(1)) {
    BufferRef x = b.denseBuffer("x", Scalar::F32, BufferRole::In, {view.outer, view.n});
    BufferRef out = b.denseBuffer("out", Scalar::F32, BufferRole::Out, {view.outer});
    forRows(build, view.outer, s.rows, [&](const Value& row) {
      RowReduce total(build, "total", fn, lanes, view.n);
      total.run([&](const Value& at, const Value* mask) { return b.load(x, {row, at}, lanes, mask); });
      b.store(out, {row}, finished(total.fold()));
    });
    return;
  }
  BufferRef x = b.denseBuffer("x", Scalar::F32, BufferRole::In, {view.outer, view.n, view.inner});
  BufferRef out = b.denseBuffer("out", Scalar::F32, BufferRole::Out, {view.outer, view.inner});
  forRows(build, view.outer, 1, [&](const Value& o) {
    build.forVectors("j", 0, view.inner, lanes, 1, build.masks(), [&](const Value& j, int width, const Value* mask) {
      Value total = columnReduce(build, "total", fn, width, view.n, [&](const Value& r) { return b.load(x, {o, r, j}, width, mask); });
      b.store(out, {o, j}, finished(total), mask);
    });
  });
}

}  // namespace quern
