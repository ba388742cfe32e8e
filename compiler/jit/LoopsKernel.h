// compiler/jit/LoopsKernel.h — a loop program that somebody wrote or changed, as the kernel of an op: `--loops FILE`.
#pragma once

#include "compiler/loops/ir/LoopInterpreter.h"
#include "compiler/schedule/Schedule.h"
#include "compiler/store/CallArguments.h"

namespace quern {

/// A loop program that is well-formed. Errors: BadInput naming the file.
Result<LoopProgram> readLoops(const std::string& file);
/// One that takes the op's operands and runs on `target`. Errors: BadInput naming the file and what differs.
Result<LoopProgram> readLoopsFor(const std::string& file, const OpDesc& op, const Schedule& schedule, const Target& target);

/// What the interpreter is given for a call: the arrays that lie in `arguments`. Errors: as CallArguments::operandsOf.
Result<LoopArgs> loopArgsOf(const LoopProgram& program, const KernelInfo& info, CallArguments& arguments);

/// Parsed, verified, tried out for the dimensions it is to run for, and linked; never cached. Its set has no narrow kernels.
/// Errors   BadInput also where its operands or its isa are not the op's, or where the trial leaves a buffer.
Result<KernelSet> kernelsFromLoops(const std::string& file, const OpDesc& op, const Schedule& schedule, const Target& target,
                                   const DimValues& dims);

}  // namespace quern
