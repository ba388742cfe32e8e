// compiler/loops/ops/NormLoops.cpp — layernorm (mean, then variance about it, then the result) and rmsnorm, of x or of x + residual.
#include "compiler/loops/build/Halves.h"
#include "compiler/loops/build/Lanes.h"
#include "compiler/loops/ops/CodedRows.h"
#include "compiler/loops/ops/OpLoops.h"
#include "compiler/loops/build/RowLoops.h"
#include "compiler/loops/build/RowSum.h"
#include "compiler/op/BlockValues.h"

#include <bit>
#include <cmath>

namespace quern {

namespace {

/// Rows of all that is normalised together.
RowView rowsOf(const OpBuild& build, const NormShape& shape) {
  RowView view = rowView(build, shape.tensor("x"), shape.firstAxis());
  return {view.outer, view.n * view.inner, 1};
}

/// One norm being built: x as [rows, width] with its gain, bias (of a layernorm that has one) and output.
class Norm {
public:
  Norm(OpBuild& build, const NormShape& shape, const RowSchedule& s, bool hasBias)
      : build_(build),
        b_(build.b),
        shape_(shape),
        s_(s),
        lanes_(static_cast<int>(s.lanes)),
        hasBias_(hasBias),
        view_(rowsOf(build, shape)) {
    if (shape.strided()) extents_ = build.dimsOf(shape.tensor("x"));
    x_ = rows("x", BufferRole::In);
    if (shape.residual) residual_ = rows("residual", BufferRole::In);
    gain_ = b_.denseBuffer("gain", Scalar::F32, BufferRole::In, {view_.n});
    if (hasBias) bias_ = b_.denseBuffer("bias", Scalar::F32, BufferRole::In, {view_.n});
    out_ = outRows();
    // Sums of x and residual are kept until they are replaced: in the result, or apart where that is not f32.
    if (shape.residual) kept_ = handsOn() ? b_.denseBuffer("kept", Scalar::F32, BufferRole::ThreadScratch, {1, view_.n}) : out_;
  }

  void layer() {
    normalise([&](float scale) { return moments(scale); },
              [&](const Value& row, const Moments& m, float scale) {
                put(row, [&](const Value& at, int width, const Value* mask) {
                  Value d = deviation(at, width, mask, m.mean, scale) * broadcast(m.rstd, width);
                  Value gain = b_.load(gain_, {at}, width, mask);
                  return hasBias_ ? build_.mulAdd(d, gain, b_.load(bias_, {at}, width, mask)) : d * gain;
                });
              });
  }

  void rms() {
    normalise([&](float scale) { return Moments{{}, squaresOf(scale), {}, {}}; },
              [&](const Value& row, const Moments& m, float scale) {
                put(row, [&](const Value& at, int width, const Value* mask) {
                  Value x = again(at, width, mask);
                  if (scale != 1) x = x * f32Const(scale, width);
                  return x * broadcast(m.rstd, width) * b_.load(gain_, {at}, width, mask);
                });
              });
  }

private:
  /// Of one row, times the scale.
  struct Moments {
    Value mean, squares, variance, rstd;
  };
  using Measure = std::function<Moments(float scale)>;
  using Write = std::function<void(const Value& row, const Moments& moments, float scale)>;

  /// Each row as it is. One whose squares do not fit is taken again times a power of two; so is one whose squares or mean vanish.
  void normalise(const Measure& measure, const Write& write) {
    auto attempt = [&](float scale) {
      Moments m = measure(scale);
      m.variance = b_.let("variance", m.squares / f32Const(width()) + f32Const(static_cast<float>(double{shape_.eps} * scale * scale)));
      return m;
    };
    auto finish = [&](const Value& row, Moments m, float scale) {
      m.rstd = b_.let("rstd", f32Const(1.0f) / unary(LoopOp::Sqrt, m.variance));
      write(row, m, scale);
    };
    auto scaled = [&](const Value& row, float scale) { finish(row, attempt(scale), scale); };
    forRows(build_, view_.outer, s_.rows, [&](const Value& row) {
      place_ = {row};
      if (!extents_.empty()) place_ = placeOfRow(b_, row, std::span(extents_).first(extents_.size() - 1));
      Moments m = attempt(1);
      auto good = [&] {
        bool hidden = shape_.eps >= kVanished, centred = m.mean.expr() != nullptr;
        if (hidden && !centred) return finish(row, m, 1);
        Value size = hidden ? m.squares : m.variance;
        if (centred) size = plainMax(size, unary(LoopOp::Abs, m.mean) * f32Const(hidden ? 1 : kMeanBeside));
        b_.when(
            lessThan(size, f32Const(hidden ? kHidden : kVanished)), [&] { scaled(row, hidden ? kUpHidden : kUp); },
            [&] { finish(row, m, 1); });
      };
      b_.when(lessThan(m.squares, f32Const(kSafeSum)), good, [&] { scaled(row, kDown); });
    });
  }

  // A sum of squares that does not fit has a term of 2^98 at least where there are fewer than 2^28; no difference is above 2^129.
  static constexpr float kDown = 0x1p-80f;
  // A variance with eps below kVanished: the squares of what counts may be denormal; above, what is lost is below 2^-26 of their sum. A
  // mean of 2^20 beside it says that all are the same.
  static constexpr float kVanished = 0x1p-100f, kUp = 0x1p96f, kMeanBeside = 0x1p-120f;
  // Where eps hides the squares: mean and squares below kHidden say that all are below 2^-29, and a scaled mean may have lost digits.
  static constexpr float kHidden = 0x1p-60f, kUpHidden = 0x1p40f;

  BufferRef rows(const char* name, BufferRole role) {
    if (shape_.strided()) return build_.strided(shape_.tensor(name), role);
    return b_.denseBuffer(name, Scalar::F32, role, {view_.outer, view_.n});
  }
  /// An element of the row in hand, of x, residual or an f32 result.
  std::vector<Value> inRow(const Value& at) const {
    std::vector<Value> place = place_;
    place.push_back(at);
    return place;
  }
  void eachVector(const OpBuild::VectorStep& step) {
    build_.forVectors("j", 0, view_.n, lanes_, static_cast<int>(s_.unroll), build_.masks(), step);
  }

  bool handsOn() const { return shape_.out != ElementType::F32; }
  BufferRef outRows() {
    if (shape_.out == ElementType::Q8) return b_.denseBuffer("out", Scalar::I32, BufferRole::Out, {view_.outer, wordsOf(view_.n)});
    if (handsOn()) return b_.denseBuffer("out", Scalar::BF16, BufferRole::Out, {view_.outer, view_.n});
    return rows("out", BufferRole::Out);
  }
  /// Of blocks of q8, where so many elements before it are.
  static Value wordsOf(const Value& elements) { return elements / (CodedBlock::kElements / CodedWords::kWords); }

  /// The result of a row, as it is handed on.
  void put(const Value& row, const std::function<Value(const Value& at, int width, const Value* mask)>& value) {
    if (shape_.out != ElementType::Q8)
      return eachVector([&](const Value& at, int width, const Value* mask) {
        storeFloats(build_, out_, handsOn() ? std::vector<Value>{row, at} : inRow(at), value(at, width, mask), mask);
      });
    b_.loop("j", 0, view_.n, CodedBlock::kElements, [&](const Value& at) {
      std::vector<Value> x;
      for (int first = 0; first < CodedBlock::kElements; first += lanes_) x.push_back(value(at + first, lanes_, nullptr));
      storeCoded(build_, x, out_, [&](int word) { return std::vector<Value>{row, wordsOf(at) + word}; });
    });
  }

  float width() const { return static_cast<float>(shape_.width()); }

  /// What is normalised; on the first pass a sum is kept in the result until it is replaced.
  Value firstOrAgain(const Value& at, const Value* mask, float scale) {
    if (scale != 1) return b_.let("v", again(at, lanes_, mask));
    Value x = b_.load(x_, inRow(at), lanes_, mask);
    if (!shape_.residual) return b_.let("v", x);
    Value sum = b_.let("v", x + b_.load(residual_, inRow(at), lanes_, mask));
    b_.store(kept_, keptAt(at), sum, mask);
    return sum;
  }
  Value again(const Value& at, int lanes, const Value* mask) {
    if (shape_.residual) return b_.load(kept_, keptAt(at), lanes, mask);
    return b_.load(x_, inRow(at), lanes, mask);
  }
  std::vector<Value> keptAt(const Value& at) const { return handsOn() ? std::vector<Value>{Value(0), at} : inRow(at); }

  Value deviation(const Value& at, int lanes, const Value* mask, const Value& mean, float scale) {
    Value x = again(at, lanes, mask), m = broadcast(mean, lanes);
    return scale == 1 ? x - m : x * f32Const(scale, lanes) - m;
  }

  /// Of a row taken again the mean is summed times a power of two below 1 / width: it does not overflow.
  Moments moments(float scale) {
    float part = scale == 1 ? 1 : std::ldexp(1.0f, -1 - static_cast<int>(std::bit_width(static_cast<uint64_t>(shape_.width()))));
    Value sum = rowSum(build_, "sum", lanes_, view_.n, [&](const Value& acc, const Value& at, const Value* mask) {
      Value x = firstOrAgain(at, mask, scale);
      if (scale != 1) return build_.mulAdd(x, f32Const(scale * part, lanes_), acc);
      return acc + (mask == nullptr ? x : selectOf(*mask, x, f32Const(0, lanes_)));
    });
    Value mean = b_.let("mean", sum / f32Const(width() * part));
    Value squares = rowSum(build_, "squares", lanes_, view_.n, [&](const Value& acc, const Value& at, const Value* mask) {
      Value d = deviation(at, lanes_, mask, mean, scale);
      if (mask != nullptr) d = selectOf(*mask, d, f32Const(0, lanes_));
      d = b_.let("d", d);
      return build_.mulAdd(d, d, acc);
    });
    return {mean, squares, {}, {}};
  }

  Value squaresOf(float scale) {
    return rowSum(build_, "squares", lanes_, view_.n, [&](const Value& acc, const Value& at, const Value* mask) {
      Value x = firstOrAgain(at, mask, scale);
      if (scale != 1) x = b_.let("v", x * f32Const(scale, lanes_));
      return build_.mulAdd(x, x, acc);
    });
  }

  OpBuild& build_;
  LoopBuilder& b_;
  const NormShape& shape_;
  const RowSchedule& s_;
  int lanes_;
  bool hasBias_;
  RowView view_;
  std::vector<Value> extents_;  ///< of x with leading strides; empty: dense
  std::vector<Value> place_;    ///< of the row in hand
  BufferRef x_, residual_, gain_, bias_, out_, kept_;
};

}  // namespace

void buildLoops(OpBuild& build, const LayerNormOp& op, const RowSchedule& s) { Norm(build, op.shape, s, op.bias).layer(); }
void buildLoops(OpBuild& build, const RmsNormOp& op, const RowSchedule& s) { Norm(build, op.shape, s, false).rms(); }

}  // namespace quern
