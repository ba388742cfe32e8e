// compiler/loops/NormLoops.cpp — layernorm (mean, then variance about it, then the result) and rmsnorm.
#include "compiler/loops/OpLoops.h"
#include "compiler/loops/RowLoops.h"

namespace quern {

/// x as [rows, width] with its gain, bias (layernorm) and output.
struct NormBuffers {
  Value rows, width;
  BufferRef x, gain, bias, out;
};

static NormBuffers declare(OpBuild& build, const TensorSpec& x, bool hasBias) {
  LoopBuilder& b = build.b;
  RowView view = rowView(build, x, x.dims.size() - 1);
  NormBuffers n{view.outer, view.n, {}, {}, {}, {}};
  n.x = b.denseBuffer("x", Scalar::F32, BufferRole::In, {n.rows, n.width});
  n.gain = b.denseBuffer("gain", Scalar::F32, BufferRole::In, {n.width});
  if (hasBias) n.bias = b.denseBuffer("bias", Scalar::F32, BufferRole::In, {n.width});
  n.out = b.denseBuffer("out", Scalar::F32, BufferRole::Out, {n.rows, n.width});
  return n;
}

/// 1 / sqrt(sum / width + eps)
static Value inverseDeviation(LoopBuilder& b, const Value& sum, const NormShape& shape) {
  Value mean = sum / f32Const(static_cast<float>(shape.x.back().value));
  return b.let("rstd", f32Const(1.0f) / unary(LoopOp::Sqrt, mean + f32Const(shape.eps)));
}

void buildLoops(OpBuild& build, const LayerNormOp& op, const RowSchedule& s) {
  LoopBuilder& b = build.b;
  int lanes = static_cast<int>(s.lanes);
  NormBuffers n = declare(build, op.inputs()[0], true);
  forRows(build, n.rows, s.rows, [&](const Value& row) {
    RowReduce sum(build, "sum", LoopOp::Add, lanes, n.width);
    sum.run([&](const Value& at, const Value* mask) { return b.load(n.x, {row, at}, lanes, mask); });
    Value mean = b.let("mean", sum.fold() / f32Const(static_cast<float>(op.shape.x.back().value)));
    RowReduce squares(build, "squares", LoopOp::Add, lanes, n.width);
    squares.runWith([&](const Value& acc, const Value& at, const Value* mask) {
      Value d = b.load(n.x, {row, at}, lanes, mask) - broadcast(mean, lanes);
      if (mask != nullptr) d = selectOf(*mask, d, f32Const(0, lanes));
      d = b.let("d", d);
      return build.mulAdd(d, d, acc);
    });
    Value rstd = inverseDeviation(b, squares.fold(), op.shape);
    build.forVectors("j", 0, n.width, lanes, static_cast<int>(s.unroll), build.masks(), [&](const Value& at, int width, const Value* mask) {
      Value d = (b.load(n.x, {row, at}, width, mask) - broadcast(mean, width)) * broadcast(rstd, width);
      b.store(n.out, {row, at}, build.mulAdd(d, b.load(n.gain, {at}, width, mask), b.load(n.bias, {at}, width, mask)), mask);
    });
  });
}

void buildLoops(OpBuild& build, const RmsNormOp& op, const RowSchedule& s) {
  LoopBuilder& b = build.b;
  int lanes = static_cast<int>(s.lanes);
  NormBuffers n = declare(build, op.inputs()[0], false);
  forRows(build, n.rows, s.rows, [&](const Value& row) {
    RowReduce squares(build, "squares", LoopOp::Add, lanes, n.width);
    squares.runWith([&](const Value& acc, const Value& at, const Value* mask) {
      Value x = b.let("v", b.load(n.x, {row, at}, lanes, mask));
      return build.mulAdd(x, x, acc);
    });
    Value rstd = inverseDeviation(b, squares.fold(), op.shape);
    build.forVectors("j", 0, n.width, lanes, static_cast<int>(s.unroll), build.masks(), [&](const Value& at, int width, const Value* mask) {
      Value scaled = b.load(n.x, {row, at}, width, mask) * broadcast(rstd, width);
      b.store(n.out, {row, at}, scaled * b.load(n.gain, {at}, width, mask), mask);
    });
  });
}

}  // namespace quern
