// compiler/loops/AttentionLoops.cpp — attention row by row: scores of one query over the keys, softmax, weighted values.
// Every sum runs over absolute positions in a fixed order, so a row's bits depend on its own keys alone.
#include "compiler/loops/OpLoops.h"
#include "compiler/loops/RowLoops.h"

#include <algorithm>

namespace quern {

namespace {

struct Attention {
  OpBuild& build;
  const AttentionOp& op;
  const AttentionSchedule& s;
  BufferRef q, k, v, out, scores;
  Value qRows, kvRows;
  int lanes;

  /// scores[j] = scale * Q[i,h] . K[j,g] for j < limit
  void score(const Value& i, const Value& h, const Value& g, const Value& limit) {
    LoopBuilder& b = build.b;
    b.loop("j", 0, limit, 1, [&](const Value& j) {
      RowReduce dot(build, "dot", LoopOp::Add, lanes, op.headDim.value);
      dot.runWith([&](const Value& acc, const Value& at, const Value* mask) {
        return build.mulAdd(b.load(q, {i, h, at}, lanes, mask), b.load(k, {j, g, at}, lanes, mask), acc);
      });
      b.store(scores, {j}, dot.fold() * f32Const(op.factor()));
    });
  }

  /// out[i,h] = sum over j of scores[j] * V[j,g], j ascending, a block of head_dim in registers at a time
  void weigh(const Value& i, const Value& h, const Value& g, const Value& limit) {
    LoopBuilder& b = build.b;
    constexpr int64_t kVectors = 8;
    int64_t width = op.headDim.value;
    for (int64_t d0 = 0; d0 < width; d0 += kVectors * lanes) {
      int64_t columns = std::min(width - d0, kVectors * lanes);
      int64_t vectors = (columns + lanes - 1) / lanes;
      Value mask = maskOf(columns - (vectors - 1) * lanes, lanes);
      auto maskAt = [&](int64_t c) { return columns % lanes != 0 && c == vectors - 1 ? &mask : nullptr; };
      RegArray acc = b.reg("acc", {static_cast<int>(vectors)}, f32Const(0, lanes));
      b.loop("j", 0, limit, 1, [&](const Value& j) {
        Value p = b.let("p", broadcast(b.load(scores, {j}), lanes));
        for (int64_t c = 0; c < vectors; ++c)
          b.set(acc, {c}, build.mulAdd(p, b.load(v, {j, g, d0 + c * lanes}, lanes, maskAt(c)), b.get(acc, {c})));
      });
      for (int64_t c = 0; c < vectors; ++c) b.store(out, {i, h, d0 + c * lanes}, b.get(acc, {c}), maskAt(c));
    }
  }
};

}  // namespace

void buildLoops(OpBuild& build, const AttentionOp& op, const AttentionSchedule& s) {
  LoopBuilder& b = build.b;
  std::vector<TensorSpec> inputs = op.inputs();
  Attention a{build, op, s, build.strided(inputs[0], BufferRole::In), build.strided(inputs[1], BufferRole::In), build.strided(inputs[2], BufferRole::In),
              build.strided(op.output(), BufferRole::Out), {}, build.dim(inputs[0].dims[0]), build.dim(inputs[1].dims[0]), static_cast<int>(s.lanes)};
  a.scores = b.denseBuffer("scores", Scalar::F32, BufferRole::ThreadScratch, {maxOf(a.kvRows, 1)});
  RowSchedule row{s.lanes, 1, 1};
  int64_t group = op.heads.value / op.kvHeads.value;
  Value blocks = ceilDivOf(a.qRows, s.rows);
  b.phase(blocks * op.heads.value, [&](const Value& task) {
    Value h = b.let("h", task / blocks), g = b.let("g", h / group);
    Value first = b.let("i0", task % blocks * s.rows);
    b.loop("i", first, minOf(first + s.rows, a.qRows), 1, [&](const Value& i) {
      Value limit = a.kvRows;
      if (op.causal == Causal::TopLeft) limit = i + 1;
      if (op.causal == Causal::LastRowSeesAll) limit = i + 1 + (a.kvRows - a.qRows);
      limit = b.let("limit", op.causal == Causal::No ? limit : minOf(maxOf(limit, 0), a.kvRows));
      a.score(i, h, g, limit);
      b.when(lessThan(0, limit), [&] {
        softmaxRow(build, limit, 1.0f, row, [&](const Value& at, int lanes, const Value* mask) { return b.load(a.scores, {at}, lanes, mask); }, a.scores,
                   [&](const Value& at) { return std::vector<Value>{at}; });
      });
      a.weigh(i, h, g, limit);
    });
  });
}

}  // namespace quern
