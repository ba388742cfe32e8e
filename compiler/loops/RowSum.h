// compiler/loops/RowSum.h — sums of any length: blocks of fixed length whose sums add up with what each addition loses kept beside.
//
//   block b takes columns 1,024 b ... in RowReduce's order: chains of 16, folded in halves
//   blocks add up ascending from +0: sum' = sum + block, and what the addition lost (two-sum) is added to the next
//
// So the error does not grow with the length: at most 21 u of a block's sum of magnitudes, and one rounding.
#pragma once

#include "compiler/loops/OpBuild.h"

namespace quern {

/// Columns of one block of a sum.
inline constexpr int64_t kSumBlock = 16 * RowReduce::kPartials;
/// Numbers below this in magnitude: 64 of them, or two sums of so many, do not reach infinity.
inline constexpr float kSafeTerm = 0x1p119f;
/// Sums below this are good; others are taken again, scaled.
inline constexpr float kSafeSum = 0x1p126f;

/// What a sum becomes that does not fit.
enum class Unsafe : uint8_t {
  Stays,  ///< what the additions give: for terms of one sign, and for scaled ones
  IsInf,  ///< +Inf, without an addition of infinities of both signs (an invalid operation): for what is then taken again, scaled
};

/// `sum` is rounded once, `lost` is what that rounding lost. Scalars or vectors.
struct RunningSum {
  Value sum, lost;
  RunningSum plus(LoopBuilder& b, const Value& addend, Unsafe unsafe) const;
};

/// One step of a sum: acc -> new acc at a column; lanes that are off in `mask` must be left alone.
using SumStep = std::function<Value(const Value& acc, const Value& at, const Value* mask)>;

/// The sum of a row. Unsafe::IsInf: finite terms whose sum is not below kSafeSum, or where one of its partials is not, give +Inf.
Value rowSum(OpBuild& build, const std::string& name, int lanes, const Value& columns, Unsafe unsafe, const SumStep& step);

}  // namespace quern
