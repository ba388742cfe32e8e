// compiler/loops/SoftmaxLoops.cpp — softmax along the last axis (row by row), or another (columns in lanes).
#include "compiler/loops/OpLoops.h"
#include "compiler/loops/RowLoops.h"

namespace quern {

/// How many columns row i of a causal r x c matrix has.
static Value causalLimit(LoopBuilder& b, Causal causal, const Value& i, const Value& r, const Value& c) {
  Value limit = causal == Causal::TopLeft ? i + 1 : i + 1 + (c - r);
  return b.let("limit", minOf(maxOf(limit, 0), c));
}

static void lastAxis(OpBuild& build, const SoftmaxOp& op, const RowSchedule& s) {
  LoopBuilder& b = build.b;
  RowView view = rowView(build, op.inputs()[0], op.axisIndex());
  BufferRef x = b.denseBuffer("x", Scalar::F32, BufferRole::In, {view.outer, view.n});
  BufferRef out = b.denseBuffer("out", Scalar::F32, BufferRole::Out, {view.outer, view.n});
  forRows(build, view.outer, s.rows, [&](const Value& row) {
    auto normalise = [&](const Value& n) {
      softmaxRow(build, s, {n, op.factor(), [&](const Value& at, int lanes, const Value* mask) { return b.load(x, {row, at}, lanes, mask); }, out,
                            [&](const Value& at) { return std::vector<Value>{row, at}; }});
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
  });
}

static void otherAxis(OpBuild& build, const SoftmaxOp& op, const RowSchedule& s) {
  LoopBuilder& b = build.b;
  RowView view = rowView(build, op.inputs()[0], op.axisIndex());
  std::vector<Value> shape = {view.outer, view.n, view.inner};
  BufferRef x = b.denseBuffer("x", Scalar::F32, BufferRole::In, shape);
  BufferRef out = b.denseBuffer("out", Scalar::F32, BufferRole::Out, shape);
  forRows(build, view.outer, 1, [&](const Value& o) {
    build.forVectors("j", 0, view.inner, static_cast<int>(s.lanes), 1, build.masks(), [&](const Value& j, int lanes, const Value* mask) {
      Value top = columnReduce(build, "max", LoopOp::Max, lanes, view.n, [&](const Value& r) { return b.load(x, {o, r, j}, lanes, mask); });
      Value sum = columnReduce(build, "sum", LoopOp::Add, lanes, view.n, [&](const Value& r) {
        Value distance = b.load(x, {o, r, j}, lanes, mask) - top;
        Value power = b.let("power", callOf(LoopOp::Exp, op.factor() == 1.0f ? distance : distance * f32Const(op.factor(), lanes)));
        b.store(out, {o, r, j}, power, mask);
        return power;
      });
      Value inverse = b.let("inverse", f32Const(1.0f, lanes) / sum);
      b.loop("r", 0, view.n, 1, [&](const Value& r) { b.store(out, {o, r, j}, b.load(out, {o, r, j}, lanes, mask) * inverse, mask); });
    });
  });
}

void buildLoops(OpBuild& build, const SoftmaxOp& op, const RowSchedule& s) {
  RowView view = rowView(build, op.inputs()[0], op.axisIndex());
  if (view.inner.isConstant(1)) lastAxis(build, op, s);
  else otherAxis(build, op, s);
}

}  // namespace quern
