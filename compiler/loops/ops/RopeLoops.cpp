// compiler/loops/ops/RopeLoops.cpp — rope: rows that are read, turned, rounded where they are kept so, and written elsewhere.
#include "compiler/loops/build/Halves.h"
#include "compiler/loops/ops/KeptRows.h"
#include "compiler/loops/ops/OpLoops.h"
#include "compiler/loops/build/RowLoops.h"

#include <array>

namespace quern {

namespace {

/// One rope being built; a row is one head of one position.
class Rope {
public:
  Rope(OpBuild& build, const RopeOp& op, const MoveSchedule& s) : build_(build), b_(build.b), op_(op), s_(s) {
    std::vector<TensorSpec> inputs = op.inputs();
    x_ = build.strided(inputs[0], BufferRole::In);
    angles_ = build.dense(inputs[1], BufferRole::In);
    out_ = build.strided(op.output(), BufferRole::Out);
    if (out_.blocks) turned_ = build.b.denseBuffer("turned", Scalar::F32, BufferRole::ThreadScratch, {op.x[2].value});
  }

  void run() {
    int64_t heads = op_.x[1].value, pairs = op_.width() / 2, kept = op_.x[2].value - op_.width();
    Value rows = build_.dim(op_.inputs()[0].dims[0]);
    forRows(build_, rows, s_.rows, [&](const Value& row) {
      b_.loop("h", 0, heads, 1, [&](const Value& head) {
        build_.forVectors("i", 0, pairs, static_cast<int>(s_.lanes), 1, build_.masks(), [&](const Value& i, int lanes, const Value* mask) {
          Value cosine = b_.let("cos", b_.load(angles_, {row, i}, lanes, mask)),
                sine = b_.let("sin", b_.load(angles_, {row, i + pairs}, lanes, mask));
          if (op_.pairs == RopePairs::Half) half(row, head, i, {cosine, sine}, mask);
          else if (lanes == 1) one(row, head, i, {cosine, sine});
          else adjacent(row, head, i, {cosine, sine});
        });
        if (kept > 0)
          build_.forVectors(
              "d", op_.width(), kept, static_cast<int>(s_.lanes), 1, build_.masks(),
              [&](const Value& at, int lanes, const Value* mask) { put(row, head, at, b_.load(x_, {row, head, at}, lanes, mask), mask); });
        if (out_.blocks)
          storeRow(build_, out_, std::array{row, head}, op_.x[2].value, static_cast<int>(s_.lanes),
                   [&](const Value& at, int lanes, const Value*) { return b_.load(turned_, {at}, lanes); });
      });
    });
  }

private:
  struct Angle {
    Value cosine, sine;
  };
  Value first(const Value& a, const Value& b, const Angle& angle) {
    return build_.mulAdd(a, angle.cosine, unary(LoopOp::Neg, b * angle.sine));
  }
  Value second(const Value& a, const Value& b, const Angle& angle) { return build_.mulAdd(b, angle.cosine, a * angle.sine); }

  /// Into the row, or, where that is blocks, to where it is complete first.
  void put(const Value& row, const Value& head, const Value& at, const Value& value, const Value* mask) {
    if (out_.blocks) b_.store(turned_, {at}, value, mask);
    else storeFloats(build_, out_, {row, head, at}, value, mask);
  }

  void half(const Value& row, const Value& head, const Value& i, const Angle& angle, const Value* mask) {
    int64_t pairs = op_.width() / 2;
    int lanes = angle.cosine.lanes();
    Value a = b_.let("a", b_.load(x_, {row, head, i}, lanes, mask)), b = b_.let("b", b_.load(x_, {row, head, i + pairs}, lanes, mask));
    put(row, head, i, first(a, b, angle), mask);
    put(row, head, i + pairs, second(a, b, angle), mask);
  }

  void one(const Value& row, const Value& head, const Value& i, const Angle& angle) {
    Value a = b_.let("a", b_.load(x_, {row, head, i * 2})), b = b_.let("b", b_.load(x_, {row, head, i * 2 + 1}));
    put(row, head, i * 2, first(a, b, angle), nullptr);
    put(row, head, i * 2 + 1, second(a, b, angle), nullptr);
  }

  /// Two vectors of neighbours are parted, turned, and joined again. The masks of a tail count elements, not pairs.
  void adjacent(const Value& row, const Value& head, const Value& i, const Angle& angle) {
    int lanes = angle.cosine.lanes();
    int64_t width = op_.width();
    Value at = i * 2;
    bool partial = width % (2 * lanes) != 0;
    Value low = maskOf(width - at, lanes), high = maskOf(width - at - lanes, lanes);
    Value v0 = b_.let("v", b_.load(x_, {row, head, at}, lanes, partial ? &low : nullptr));
    Value v1 = b_.let("v", b_.load(x_, {row, head, at + lanes}, lanes, partial ? &high : nullptr));
    std::vector<int> evens, odds, lower, upper;
    for (int l = 0; l < lanes; ++l) {
      evens.push_back(2 * l);
      odds.push_back(2 * l + 1);
      lower.push_back(l / 2 + (l % 2) * lanes);
      upper.push_back(lanes / 2 + l / 2 + (l % 2) * lanes);
    }
    Value a = b_.let("a", shuffleOf(v0, v1, evens)), b = b_.let("b", shuffleOf(v0, v1, odds));
    Value turnedA = b_.let("a", first(a, b, angle)), turnedB = b_.let("b", second(a, b, angle));
    put(row, head, at, shuffleOf(turnedA, turnedB, lower), partial ? &low : nullptr);
    put(row, head, at + lanes, shuffleOf(turnedA, turnedB, upper), partial ? &high : nullptr);
  }

  OpBuild& build_;
  LoopBuilder& b_;
  const RopeOp& op_;
  const MoveSchedule& s_;
  BufferRef x_, angles_, out_, turned_;
};

}  // namespace

void buildLoops(OpBuild& build, const RopeOp& op, const MoveSchedule& s) { Rope(build, op, s).run(); }

}  // namespace quern
