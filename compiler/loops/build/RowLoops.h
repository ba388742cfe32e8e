// compiler/loops/build/RowLoops.h — what the row-wise builders share.
#pragma once

#include "compiler/loops/build/Lanes.h"
#include "compiler/loops/build/OpBuild.h"

namespace quern {

/// x seen as [outer, n, inner]: the axis reduced over is n.
struct RowView {
  Value outer = 1, n = 1, inner = 1;
};
RowView rowView(const OpBuild& build, const TensorSpec& x, size_t axis);

/// A phase of tasks of `rows` rows each; `body` runs for every row.
void forRows(OpBuild& build, const Value& rows, int64_t rowsEach, const std::function<void(const Value& row)>& body);

/// The indices of row `row` of all rows, row-major, in axes of these extents.
std::vector<Value> placeOfRow(LoopBuilder& b, const Value& row, std::span<const Value> extents);

}  // namespace quern
