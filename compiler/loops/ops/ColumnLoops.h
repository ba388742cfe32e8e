// compiler/loops/ops/ColumnLoops.h — reductions along an axis that is not the last: a block of neighbouring columns goes down the rows
// in the order they lie in memory, its sums in scratch.
#pragma once

#include "compiler/loops/build/RowLoops.h"
#include "compiler/loops/build/RowSum.h"

#include <optional>

namespace quern {

/// Columns of one task: 2 KiB of each row.
inline constexpr int64_t kColumns = 512;

/// A phase of tasks (outer index, block of at most kColumns columns).
void forColumnBlocks(OpBuild& build, const RowView& view,
                     const std::function<void(const Value& outer, const Value& first, const Value& count)>& body);

/// Chain c (0 <= c < 8) of a column takes rows c, c + 8, ... in ascending order from the identity; chains fold in halves. Sums do so in
/// blocks of 128 rows, which add up as those of a row do (RowSum.h).
class ColumnReduce {
public:
  static constexpr int kChains = 8;
  static constexpr int64_t kBlockRows = 16 * kChains;

  ColumnReduce(OpBuild& build, const std::string& name, LoopOp op, int lanes);

  using RowValue = std::function<Value(const Value& row, const Value& at, int lanes, const Value* mask)>;
  using Finish = std::function<void(const Value& at, int lanes, const Value* mask, const Value& total)>;
  /// Runs `count` columns over rows [0, n), then hands out the totals. `at` counts from the block's first column.
  void run(const Value& n, const Value& count, const RowValue& value, const Finish& finish);

private:
  using Step = OpBuild::VectorStep;
  void each(const Value& count, const Step& step);
  void runBlock(const Value& first, const Value& n, const Value& count, const RowValue& value);
  Value folded(const Value& at, int lanes, const Value* mask);

  OpBuild& build_;
  LoopOp op_;
  int lanes_;
  std::string name_;
  BufferRef chains_;                 ///< [8, kColumns]
  std::optional<BufferRef> totals_;  ///< [2, kColumns], of sums of many rows: what they are, what they lost
};

}  // namespace quern
