// compiler/loops/Lower.h — op x schedule x target -> loop program: the stages, top to bottom.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/loops/ir/LoopProgram.h"
#include "compiler/op/OpDesc.h"
#include "compiler/schedule/KernelInfo.h"
#include "compiler/schedule/Schedule.h"

namespace quern {

/// Errors   Infeasible where the schedule is not legal for op and target.
Result<LoopProgram> lower(const OpDesc& op, const Schedule& schedule, const Target& target);

/// What a caller must know of the kernel that `program`, lowered from op and schedule, becomes.
KernelInfo kernelInfoOf(const LoopProgram& program, const OpDesc& op, const Schedule& schedule);

/// The maths functions that the kernel calls before they become arithmetic (MathFunctions.h), each once.
std::vector<LoopOp> mathsOf(const OpDesc& op, const Schedule& schedule, const Target& target);

}  // namespace quern
