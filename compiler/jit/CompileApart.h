// compiler/jit/CompileApart.h — compiling what takes long in a process of its own, which can be ended: LLVM itself cannot be asked to stop.
#pragma once

#include "compiler/base/Stop.h"
#include "compiler/jit/CodegenModule.h"

namespace quern {

/// Instructions that the program becomes, roughly: each expression once for every round of the unrolled loops around it.
double weightOf(const LoopProgram& program);

/// Above this weight a program takes LLVM longer than a fraction of a second (20 us an instruction).
inline constexpr double kHeavyProgram = 10000;

/// As api.emitObject. A heavy program is compiled in a child process, where `stop` can ever
/// be asked; where no process is to be had, in this one.
/// Errors   As emitObject. Stopped. Internal: the child died, of what LLVM ends a process for.
Result<std::string> emitObject(const CodegenApi& api, const LoopProgram& program, const std::string& symbol, const Stop& stop);

}  // namespace quern
