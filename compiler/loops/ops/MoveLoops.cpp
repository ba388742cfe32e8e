// compiler/loops/ops/MoveLoops.cpp — embedding and transpose: copies, vectors where both sides are contiguous.
#include "compiler/loops/ops/OpLoops.h"
#include "compiler/loops/build/RowLoops.h"

#include <algorithm>

namespace quern {

using Place = std::vector<Value>;

/// A row of `out`, which has `elements`: place(at) = value(at) for every column.
static void copyRow(OpBuild& build, const MoveSchedule& s, const Value& elements, const Value& width, const BufferRef& out,
                    const std::function<Place(const Value& at)>& place,
                    const std::function<Value(const Value& at, int lanes, const Value* mask)>& value) {
  auto lanes = static_cast<int>(s.lanes);
  build.whereStreamed(elements, s.stream, [&](bool streams) {
    auto step = [&](const Value& at, int count, const Value* mask) {
      if (streams) build.streamed(out, place(at), value(at, count, mask), count, mask);
      else build.b.store(out, place(at), value(at, count, mask), mask);
    };
    if (streams) build.forStreamed("j", out, place(0), 0, width, lanes, 1, build.masks(), step);
    else build.forVectors("j", 0, width, lanes, 1, build.masks(), step);
  });
}

/// The rows along the last axis of ids, each times its weight, one chain of them.
static void buildBags(OpBuild& build, const EmbeddingOp& op, const MoveSchedule& s) {
  LoopBuilder& b = build.b;
  std::vector<TensorSpec> inputs = op.inputs();
  Value bags = 1, count = build.dim(inputs[1].dims[0]), width = build.dim(inputs[1].dims[1]);
  for (const TensorDim& dim : std::span(inputs[0].dims).first(inputs[0].dims.size() - 1)) bags = bags * build.dim(dim);
  int64_t each = op.bagSize();
  BufferRef ids = b.denseBuffer("ids", Scalar::I32, BufferRole::In, {bags, each});
  BufferRef table = build.dense(inputs[1], BufferRole::In);
  BufferRef weights = b.denseBuffer("weights", Scalar::F32, BufferRole::In, {bags, each});
  BufferRef out = b.denseBuffer("out", Scalar::F32, BufferRole::Out, {bags, width});
  forRows(build, bags, s.rows, [&](const Value& row) {
    build.forVectors("at", 0, width, static_cast<int>(s.lanes), 1, build.masks(), [&](const Value& at, int lanes, const Value* mask) {
      RegArray sum = b.reg("sum", {1}, f32Const(0, lanes));
      b.loop("j", 0, each, 1, [&](const Value& j) {
        Value given = b.let("given", unary(LoopOp::ToI64, b.load(ids, {row, j})));
        Value id = b.let("id", selectOf(lessThan(given, 0), given + count, given));
        Value weight = broadcast(b.load(weights, {row, j}), lanes);
        b.set(sum, {0}, build.mulAdd(weight, b.load(table, {id, at}, lanes, mask), b.get(sum, {0})));
      });
      b.store(out, {row, at}, b.get(sum, {0}), mask);
    });
  });
}

void buildLoops(OpBuild& build, const EmbeddingOp& op, const MoveSchedule& s) {
  if (op.bag) return buildBags(build, op, s);
  LoopBuilder& b = build.b;
  std::vector<TensorSpec> inputs = op.inputs();
  Value tokens = 1, count = build.dim(inputs[1].dims[0]), width = build.dim(inputs[1].dims[1]);
  for (const TensorDim& dim : inputs[0].dims) tokens = tokens * build.dim(dim);
  BufferRef ids = b.denseBuffer("ids", Scalar::I32, BufferRole::In, {tokens});
  BufferRef table = build.dense(inputs[1], BufferRole::In);
  BufferRef out = b.denseBuffer("out", Scalar::F32, BufferRole::Out, {tokens, width});
  forRows(build, tokens, s.rows, [&](const Value& row) {
    Value given = b.let("given", unary(LoopOp::ToI64, b.load(ids, {row})));
    Value id = b.let("id", selectOf(lessThan(given, 0), given + count, given));
    copyRow(
        build, s, tokens * width, width, out, [&](const Value& at) { return Place{row, at}; },
        [&](const Value& at, int lanes, const Value* mask) { return b.load(table, {id, at}, lanes, mask); });
  });
}

/// Axes of x that stay neighbours in the result are one axis.
struct MergedTranspose {
  std::vector<Value> extents;  ///< of x
  std::vector<size_t> perm;
};

static MergedTranspose merged(const OpBuild& build, const TransposeOp& op) {
  std::vector<TensorDim> dims = op.inputs()[0].dims;
  std::vector<std::vector<size_t>> groups;  // in the result's order
  for (int axis : op.perm) {
    auto a = static_cast<size_t>(axis);
    if (dims[a].value == 1) continue;
    if (!groups.empty() && groups.back().back() + 1 == a) groups.back().push_back(a);
    else groups.push_back({a});
  }
  if (groups.empty()) groups.push_back({});
  std::vector<size_t> order(groups.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t x, size_t y) { return groups[x] < groups[y]; });
  MergedTranspose out;
  out.perm.resize(groups.size());
  for (size_t place = 0; place < order.size(); ++place) {
    Value extent = 1;
    for (size_t axis : groups[order[place]]) extent = extent * build.dim(dims[axis]);
    out.extents.push_back(extent);
    out.perm[order[place]] = place;
  }
  return out;
}

void buildLoops(OpBuild& build, const TransposeOp& op, const MoveSchedule& s) {
  LoopBuilder& b = build.b;
  MergedTranspose t = merged(build, op);
  size_t rank = t.extents.size(), last = rank - 1;
  std::vector<Value> outShape;
  for (size_t axis : t.perm) outShape.push_back(t.extents[axis]);
  BufferRef x = b.denseBuffer("x", Scalar::F32, BufferRole::In, t.extents);
  BufferRef out = b.denseBuffer("out", Scalar::F32, BufferRole::Out, outShape);
  Value rows = 1;
  for (size_t i = 0; i < last; ++i) rows = rows * outShape[i];
  // Contiguous on both sides: whole vectors. Otherwise element by element along the result's rows.
  bool contiguous = t.perm[last] == last;
  MoveSchedule inRow = s;
  if (!contiguous) inRow.lanes = 1;
  forRows(build, rows, s.rows, [&](const Value& row) {
    std::vector<Value> place = placeOfRow(b, row, std::span(outShape).first(last));
    place.emplace_back(0);
    auto placed = [&](const Value& at) {
      place[last] = at;
      return place;
    };
    copyRow(build, inRow, rows * outShape[last], outShape[last], out, placed, [&](const Value& at, int width, const Value* mask) {
      std::vector<Value> from(rank);
      placed(at);
      for (size_t i = 0; i < rank; ++i) from[t.perm[i]] = place[i];
      return b.load(x, from, width, mask);
    });
  });
}

}  // namespace quern
