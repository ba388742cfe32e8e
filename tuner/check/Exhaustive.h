// tuner/check/Exhaustive.h — a function of one argument over every float there is, on several kernels at once.
#pragma once

#include "compiler/op/OpDesc.h"
#include "compiler/reference/FloatTruth.h"
#include "compiler/store/KernelCall.h"

#include <functional>

namespace quern {

/// What one kernel was found to do over all floats visited.
struct ExhaustiveReport {
  std::string function, level;  ///< exp, x86-64-v3
  bool fma = false;
  uint64_t floats = 0;
  double worst = 0;     ///< error over limit (FloatTruth.h); Inf where a NaN, an Inf or the one right answer is missed
  double worstUlp = 0;  ///< where the limit is a number of ulps
  float worstAt = 0, got = 0;
  bool stopped = false;  ///< before all floats were visited

  bool passed() const { return !stopped && floats > 0 && worst <= 1; }
};

/// A table's row, and the line above the rows.
std::string text(const ExhaustiveReport& report);
std::string exhaustiveHeader();

/// What `op`, a map of one function of one operand, is held against.
/// Errors   BadCommand: not such an op.
Result<FloatTruth> truthOf(const OpDesc& op);

/// Hears the share done; false stops.
using ExhaustiveProgress = std::function<bool(double share)>;

/// Runs each kernel ([n] floats in, [n] out, any n) over every stride-th of the 2^32 floats, NaNs and denormals included: one
/// report per kernel. The floats visited and the reports depend on nothing but the stride.
/// Threads  all of the machine.
/// Cost     6 (relu) to 25 (erf) ns of one core a float with three kernels: one evaluation of the truth serves all, and kernels that
///          give the same bits are judged once.
/// Errors   BadInput: a kernel of another shape.
Result<std::vector<ExhaustiveReport>> checkEveryFloat(const FloatTruth& truth, std::span<const KernelSet> kernels, uint32_t stride,
                                                      const ExhaustiveProgress& progress = {});

}  // namespace quern
