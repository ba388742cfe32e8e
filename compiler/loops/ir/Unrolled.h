// compiler/loops/ir/Unrolled.h — what a program is once its unrolled loops are written out: bounded, with every register index in range.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/loops/ir/LoopProgram.h"

namespace quern {

/// Statements and operators of a program that is written out. Of our own programs the largest has about a tenth.
inline constexpr int64_t kMaxWrittenOut = int64_t{1} << 18;

/// Indices of register arrays and bounds of unrolled loops depend on nothing but constants and unrolled loops (LoopVerifier.h).
/// Errors   BadInput: a step below 1, an index out of range, a division by zero, more than kMaxWrittenOut.
/// Cost     that of writing it out.
Result<void> checkWrittenOut(const LoopProgram& program);

}  // namespace quern
