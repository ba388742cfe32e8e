// compiler/loops/RowLoops.h — what the row-wise builders share.
#pragma once

#include "compiler/loops/OpBuild.h"

namespace quern {

/// x seen as [outer, n, inner]: the axis reduced over is n.
struct RowView {
  Value outer = 1, n = 1, inner = 1;
};
RowView rowView(const OpBuild& build, const TensorSpec& x, size_t axis);

/// A phase of tasks of `rows` rows each; `body` runs for every row.
void forRows(OpBuild& build, const Value& rows, int64_t rowsEach, const std::function<void(const Value& row)>& body);

/// a, or b where b is larger. A NaN in b is passed over, one in a stays.
Value plainMax(const Value& a, const Value& b);

/// Folds a list in halves, i with i + size / 2; a power of two of them.
Value foldVectors(LoopBuilder& b, const std::function<Value(const Value&, const Value&)>& combine, std::vector<Value> vectors);

/// Folds the lanes of several vectors in halves, as Reduce does, with one instruction for all that can share it. Source i of n (a power
/// of two, at most the lanes) comes out in lanes [i lanes / n, (i + 1) lanes / n).
Value foldTogether(LoopBuilder& b, const std::function<Value(const Value&, const Value&)>& combine, std::vector<Value> vectors);

}  // namespace quern
