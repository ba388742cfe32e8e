// tuner/Exhaustive.h — a function of one argument over every float there is.
#pragma once

#include "compiler/jit/KernelLibrary.h"

#include <atomic>
#include <functional>

namespace quern {

/// What was found over all floats visited.
struct ExhaustiveReport {
  uint64_t floats = 0;
  double worst = 0;       ///< error over limit (reference/ScalarReference.h)
  double worstUlp = 0;    ///< where the exact result is normal
  float worstAt = 0, got = 0;
};

/// `op` is a map of one function of one operand; its kernel runs over every stride-th of the 2^32 floats, NaNs and denormals
/// included. `progress` hears the share done. Stops early, with what it has, when `stop` is set.
/// Errors   BadCommand: not such an op; what compiling says.
Result<ExhaustiveReport> checkEveryFloat(KernelLibrary& library, const OpDesc& op, const Schedule& schedule, uint32_t stride, const std::function<void(double)>& progress = {},
                                         const std::atomic<bool>* stop = nullptr);

}  // namespace quern
