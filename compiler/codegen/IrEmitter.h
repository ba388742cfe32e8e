// compiler/codegen/IrEmitter.h — LoopProgram -> LLVM IR.
#pragma once

#include "compiler/loops/ir/LoopProgram.h"

#include <string>

namespace llvm {
class Module;
}

namespace quern {

/// Emits one verified program as the function `symbol` of `module`.
void emitIr(const LoopProgram& program, llvm::Module& module, const std::string& symbol);

}  // namespace quern
