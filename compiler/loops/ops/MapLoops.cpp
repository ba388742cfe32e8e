// compiler/loops/ops/MapLoops.cpp — map: one pass over the output, axes merged where every operand allows it. In place, each vector is
// loaded before it is stored over.
#include "compiler/loops/ops/OpLoops.h"

#include <algorithm>

namespace quern {

namespace {

/// Axes of the output after merging; present[i] says whether operand i moves along it.
struct Axis {
  Value extent;
  std::vector<bool> present;
};

std::vector<Axis> mergedAxes(const OpBuild& build, const MapOp& op) {
  std::vector<Axis> axes;
  std::vector<TensorSpec> inputs = op.inputs();
  TensorSpec out = op.output();
  for (size_t axis = 0; axis < out.dims.size(); ++axis) {
    if (out.dims[axis].value == 1) continue;
    Axis next{build.dim(out.dims[axis]), {}};
    for (const TensorSpec& input : inputs) {
      size_t missing = out.dims.size() - input.dims.size();
      next.present.push_back(axis >= missing && input.dims[axis - missing].name != "one");
    }
    if (!axes.empty() && axes.back().present == next.present) axes.back().extent = axes.back().extent * next.extent;
    else axes.push_back(std::move(next));
  }
  if (axes.empty()) axes.push_back({1, std::vector<bool>(inputs.size(), true)});
  return axes;
}

/// An operand as the kernel sees it: its merged axes, and its value hoisted out of the innermost loop where it stands still.
struct Operand {
  BufferRef buffer;
  std::vector<size_t> axes;
  bool inner = false;
  Value still;
};

}  // namespace

void buildLoops(OpBuild& build, const MapOp& op, const MapSchedule& s) {
  LoopBuilder& b = build.b;
  std::vector<Axis> axes = mergedAxes(build, op);
  size_t last = axes.size() - 1;
  std::vector<Operand> operands;
  for (size_t i = 0; i < op.operands.size(); ++i) {
    Operand operand;
    std::vector<Value> shape;
    for (size_t axis = 0; axis < axes.size(); ++axis) {
      if (!axes[axis].present[i]) continue;
      operand.axes.push_back(axis);
      shape.push_back(axes[axis].extent);
    }
    operand.inner = !operand.axes.empty() && operand.axes.back() == last;
    if (shape.empty()) shape.push_back(1);
    operand.buffer =
        b.denseBuffer(op.operands[i].name, Scalar::F32, op.operands[i].name == op.inPlace ? BufferRole::InOut : BufferRole::In, shape);
    operands.push_back(std::move(operand));
  }
  std::vector<Value> outShape;
  for (const Axis& axis : axes) outShape.push_back(axis.extent);
  size_t over = 0;
  while (over < operands.size() && op.operands[over].name != op.inPlace) ++over;
  BufferRef out = over < operands.size() ? operands[over].buffer : b.denseBuffer("out", Scalar::F32, BufferRole::Out, outShape);

  // Tasks: `chunk` elements each, whole rows where rows are short.
  Value rows = 1;
  for (size_t axis = 0; axis < last; ++axis) rows = rows * axes[axis].extent;
  const int64_t* width = axes[last].extent.constant();
  int64_t step = s.lanes * s.unroll;
  int64_t columns = std::max<int64_t>(step, s.chunk / step * step);
  int64_t rowsEach = std::max<int64_t>(1, s.chunk / std::max<int64_t>(1, width != nullptr ? *width : 256));
  bool wholeRows = last > 0 && width != nullptr && *width <= 2 * columns;
  Value strips = wholeRows ? Value(1) : ceilDivOf(axes[last].extent, columns);
  if (!wholeRows) rowsEach = 1;

  b.phase(ceilDivOf(rows, rowsEach) * strips, [&](const Value& task) {
    Value firstRow = b.let("row0", task / strips * rowsEach);
    Value begin = wholeRows ? Value(0) : b.let("begin", task % strips * columns);
    Value count = wholeRows ? axes[last].extent : b.let("count", minOf(columns, axes[last].extent - begin));
    b.loop("row", firstRow, rowsEach == 1 ? firstRow + 1 : minOf(firstRow + rowsEach, rows), 1, [&](const Value& row) {
      std::vector<Value> index(axes.size());
      Value rest = row;
      for (size_t axis = last; axis > 0; --axis) {
        index[axis - 1] = axis == 1 ? rest : b.let("i", rest % axes[axis - 1].extent);
        if (axis > 1) rest = b.let("rest", rest / axes[axis - 1].extent);
      }
      auto at = [&](const std::vector<size_t>& which, const Value& column) {
        std::vector<Value> place;
        for (size_t axis : which) place.push_back(axis == last ? column : index[axis]);
        if (place.empty()) place.emplace_back(0);
        return place;
      };
      for (Operand& operand : operands)
        if (!operand.inner) operand.still = b.let("still", b.load(operand.buffer, at(operand.axes, 0), 1));
      std::vector<size_t> all(axes.size());
      for (size_t axis = 0; axis < axes.size(); ++axis) all[axis] = axis;
      build.forVectors("j", begin, count, static_cast<int>(s.lanes), static_cast<int>(s.unroll), s.tail == MapSchedule::TailMask,
                       [&](const Value& column, int lanes, const Value* mask) {
                         Value value = build.scalarExpr(*op.expr, lanes, [&](const std::string& name) {
                           size_t i = 0;
                           while (op.operands[i].name != name) ++i;
                           if (!operands[i].inner) return broadcast(operands[i].still, lanes);
                           return b.load(operands[i].buffer, at(operands[i].axes, column), lanes, mask);
                         });
                         b.store(out, at(all, column), value, mask);
                       });
    });
  });
}

}  // namespace quern
