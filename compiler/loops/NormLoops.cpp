// compiler/loops/NormLoops.cpp — layernorm (mean, then variance about it, then the result) and rmsnorm, of x or of x + residual.
#include "compiler/loops/OpLoops.h"
#include "compiler/loops/RowLoops.h"

namespace quern {

namespace {

/// One norm being built: x as [rows, width] with its gain, bias (layernorm) and output.
class Norm {
public:
  Norm(OpBuild& build, const NormShape& shape, const RowSchedule& s, bool hasBias)
      : build_(build),
        b_(build.b),
        shape_(shape),
        s_(s),
        lanes_(static_cast<int>(s.lanes)),
        view_(rowView(build, shape.tensor("x"), shape.x.size() - 1)) {
    x_ = rows("x", BufferRole::In);
    if (shape.residual) residual_ = rows("residual", BufferRole::In);
    gain_ = b_.denseBuffer("gain", Stored::F32, BufferRole::In, {view_.n});
    if (hasBias) bias_ = b_.denseBuffer("bias", Stored::F32, BufferRole::In, {view_.n});
    out_ = rows("out", BufferRole::Out);
  }

  void layer() {
    forRows(build_, view_.outer, s_.rows, [&](const Value& row) {
      RowReduce sum(build_, "sum", LoopOp::Add, lanes_, view_.n);
      sum.run([&](const Value& at, const Value* mask) { return takeRow(row, at, mask); });
      Value mean = b_.let("mean", sum.fold() / f32Const(static_cast<float>(shape_.x.back().value)));
      RowReduce squares(build_, "squares", LoopOp::Add, lanes_, view_.n);
      squares.runWith([&](const Value& acc, const Value& at, const Value* mask) {
        Value d = again(row, at, lanes_, mask) - broadcast(mean, lanes_);
        if (mask != nullptr) d = selectOf(*mask, d, f32Const(0, lanes_));
        d = b_.let("d", d);
        return build_.mulAdd(d, d, acc);
      });
      Value rstd = inverseDeviation(squares.fold());
      eachVector([&](const Value& at, int width, const Value* mask) {
        Value d = (again(row, at, width, mask) - broadcast(mean, width)) * broadcast(rstd, width);
        b_.store(out_, {row, at}, build_.mulAdd(d, b_.load(gain_, {at}, width, mask), b_.load(bias_, {at}, width, mask)), mask);
      });
    });
  }

  void rms() {
    forRows(build_, view_.outer, s_.rows, [&](const Value& row) {
      RowReduce squares(build_, "squares", LoopOp::Add, lanes_, view_.n);
      squares.runWith([&](const Value& acc, const Value& at, const Value* mask) {
        Value x = takeRow(row, at, mask);
        return build_.mulAdd(x, x, acc);
      });
      Value rstd = inverseDeviation(squares.fold());
      eachVector([&](const Value& at, int width, const Value* mask) {
        b_.store(out_, {row, at}, again(row, at, width, mask) * broadcast(rstd, width) * b_.load(gain_, {at}, width, mask), mask);
      });
    });
  }

private:
  BufferRef rows(const char* name, BufferRole role) { return b_.denseBuffer(name, Stored::F32, role, {view_.outer, view_.n}); }
  void eachVector(const OpBuild::VectorStep& step) {
    build_.forVectors("j", 0, view_.n, lanes_, static_cast<int>(s_.unroll), build_.masks(), step);
  }

  /// What is normalised, on the first pass: a sum is kept in the result until it is replaced.
  Value takeRow(const Value& row, const Value& at, const Value* mask) {
    Value x = b_.load(x_, {row, at}, lanes_, mask);
    if (!shape_.residual) return b_.let("v", x);
    Value sum = b_.let("v", x + b_.load(residual_, {row, at}, lanes_, mask));
    b_.store(out_, {row, at}, sum, mask);
    return sum;
  }
  Value again(const Value& row, const Value& at, int lanes, const Value* mask) {
    return b_.load(shape_.residual ? out_ : x_, {row, at}, lanes, mask);
  }

  /// 1 / sqrt(sum / width + eps)
  Value inverseDeviation(const Value& sum) {
    Value mean = sum / f32Const(static_cast<float>(shape_.x.back().value));
    return b_.let("rstd", f32Const(1.0f) / unary(LoopOp::Sqrt, mean + f32Const(shape_.eps)));
  }

  OpBuild& build_;
  LoopBuilder& b_;
  const NormShape& shape_;
  const RowSchedule& s_;
  int lanes_;
  RowView view_;
  BufferRef x_, residual_, gain_, bias_, out_;
};

}  // namespace

void buildLoops(OpBuild& build, const LayerNormOp& op, const RowSchedule& s) { Norm(build, op.shape, s, true).layer(); }
void buildLoops(OpBuild& build, const RmsNormOp& op, const RowSchedule& s) { Norm(build, op.shape, s, false).rms(); }

}  // namespace quern
