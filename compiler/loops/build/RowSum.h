// compiler/loops/build/RowSum.h — sums of any length: blocks of fixed length whose sums add up with what each addition loses kept beside.
//
//   block b takes columns 1,024 b ... in RowReduce's order: chains of 16, folded in halves
//   blocks add up ascending from +0: sum' = sum + block, and what the addition lost (two-sum) is added to the next
//
// So the error does not grow with the length: at most 21 u of a block's sum of magnitudes, and one rounding.
#pragma once

#include "compiler/loops/build/OpBuild.h"

#include <limits>

namespace quern {

/// Columns of one block of a sum.
inline constexpr int64_t kSumBlock = 16 * RowReduce::kPartials;
/// Sums below this in magnitude are good; of others (NaN is one) some partial may not have fitted. They are taken again, scaled.
inline constexpr float kSafeSum = 0x1p126f;

/// `sum` is rounded once, `lost` is what that rounding lost. Scalars or vectors.
struct RunningSum {
  Value sum, lost;
  RunningSum plus(LoopBuilder& b, const Value& addend) const;
};

/// One step of a sum: acc -> new acc at a column; lanes that are off in `mask` must be left alone.
using SumStep = std::function<Value(const Value& acc, const Value& at, const Value* mask)>;

/// The sum of a row of `columns`, which are not above `most` where they are known only at run time. Partials that overflow show in it, as
/// an infinity or a NaN.
Value rowSum(OpBuild& build, const std::string& name, int lanes, const Value& columns, const SumStep& step,
             int64_t most = std::numeric_limits<int64_t>::max());

}  // namespace quern
