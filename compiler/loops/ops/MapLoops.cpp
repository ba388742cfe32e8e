// compiler/loops/ops/MapLoops.cpp — map: one pass over the output, axes merged where every operand allows it. In place, each vector is
// loaded before it is stored over.
#include "compiler/loops/build/RowLoops.h"
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

/// Builds one map; `axes_` are the output's after merging.
class MapLoops {
public:
  MapLoops(OpBuild& build, const MapOp& op, const MapSchedule& s)
      : build_(build), b_(build.b), op_(op), s_(s), axes_(mergedAxes(build, op)), last_(axes_.size() - 1) {
    for (size_t i = 0; i < op.operands.size(); ++i) operands_.push_back(operandOf(i));
    std::vector<Value> shape;
    for (const Axis& axis : axes_) shape.push_back(axis.extent);
    size_t over = 0;
    while (over < operands_.size() && op.operands[over].name != op.inPlace) ++over;
    out_ = over < operands_.size() ? operands_[over].buffer : b_.denseBuffer("out", Scalar::F32, BufferRole::Out, shape);
  }

  /// Tasks: `chunk` elements each, whole rows where rows are short.
  void run() {
    Value rows = 1;
    for (size_t axis = 0; axis < last_; ++axis) rows = rows * axes_[axis].extent;
    const int64_t* width = axes_[last_].extent.constant();
    int64_t step = s_.lanes * s_.unroll;
    int64_t columns = std::max<int64_t>(step, s_.chunk / step * step);
    int64_t rowsEach = std::max<int64_t>(1, s_.chunk / std::max<int64_t>(1, width != nullptr ? *width : 256));
    bool wholeRows = last_ > 0 && width != nullptr && *width <= 2 * columns;
    Value strips = wholeRows ? Value(1) : ceilDivOf(axes_[last_].extent, columns);
    if (!wholeRows) rowsEach = 1;
    b_.phase(ceilDivOf(rows, rowsEach) * strips, [&](const Value& task) {
      Value firstRow = b_.let("row0", task / strips * rowsEach);
      Value begin = wholeRows ? Value(0) : b_.let("begin", task % strips * columns);
      Value count = wholeRows ? axes_[last_].extent : b_.let("count", minOf(columns, axes_[last_].extent - begin));
      Value lastRow = rowsEach == 1 ? firstRow + 1 : minOf(firstRow + rowsEach, rows);
      build_.whereStreamed(rows * axes_[last_].extent, s_.stream, [&](bool streams) {
        b_.loop("row", firstRow, lastRow, 1, [&](const Value& row) { rowPart(row, begin, count, streams); });
      });
    });
  }

private:
  Operand operandOf(size_t i) {
    Operand operand;
    std::vector<Value> shape;
    for (size_t axis = 0; axis < axes_.size(); ++axis) {
      if (!axes_[axis].present[i]) continue;
      operand.axes.push_back(axis);
      shape.push_back(axes_[axis].extent);
    }
    operand.inner = !operand.axes.empty() && operand.axes.back() == last_;
    if (shape.empty()) shape.push_back(1);
    const std::string& name = op_.operands[i].name;
    operand.buffer = b_.denseBuffer(name, Scalar::F32, name == op_.inPlace ? BufferRole::InOut : BufferRole::In, shape);
    return operand;
  }

  /// Columns [begin, begin + count) of one row of the merged axes.
  void rowPart(const Value& row, const Value& begin, const Value& count, bool streams) {
    std::vector<Value> extents;
    for (size_t axis = 0; axis < last_; ++axis) extents.push_back(axes_[axis].extent);
    std::vector<Value> index = placeOfRow(b_, row, extents);
    auto at = [&](const std::vector<size_t>& which, const Value& column) {
      std::vector<Value> place;
      for (size_t axis : which) place.push_back(axis == last_ ? column : index[axis]);
      if (place.empty()) place.emplace_back(0);
      return place;
    };
    for (Operand& operand : operands_)
      if (!operand.inner) operand.still = b_.let("still", b_.load(operand.buffer, at(operand.axes, 0), 1));
    std::vector<size_t> all(axes_.size());
    for (size_t axis = 0; axis < axes_.size(); ++axis) all[axis] = axis;
    auto valueAt = [&](const Value& column, int lanes, const Value* mask) {
      return build_.scalarExpr(*op_.expr, lanes, [&](const std::string& name) {
        size_t i = 0;
        while (op_.operands[i].name != name) ++i;
        if (!operands_[i].inner) return broadcast(operands_[i].still, lanes);
        return b_.load(operands_[i].buffer, at(operands_[i].axes, column), lanes, mask);
      });
    };
    int vector = static_cast<int>(s_.lanes), unroll = static_cast<int>(s_.unroll);
    bool masks = s_.tail == MapSchedule::TailMask;
    if (streams)
      build_.forStreamed("j", out_, at(all, begin), begin, count, vector, unroll, masks,
                         [&](const Value& column, int lanes, const Value* mask) {
                           build_.streamed(out_, at(all, column), valueAt(column, lanes, mask), lanes, mask);
                         });
    else
      build_.forVectors("j", begin, count, vector, unroll, masks, [&](const Value& column, int lanes, const Value* mask) {
        b_.store(out_, at(all, column), valueAt(column, lanes, mask), mask);
      });
  }

  OpBuild& build_;
  LoopBuilder& b_;
  const MapOp& op_;
  const MapSchedule& s_;
  std::vector<Axis> axes_;
  size_t last_;
  std::vector<Operand> operands_;
  BufferRef out_;
};

}  // namespace

void buildLoops(OpBuild& build, const MapOp& op, const MapSchedule& s) { MapLoops(build, op, s).run(); }

}  // namespace quern
