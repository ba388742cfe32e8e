// compiler/codegen/Codegen.h — LoopProgram -> LLVM IR -> object. No LLVM type shows here.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/loops/ir/LoopProgram.h"

#include <string>

namespace quern {

enum class EmitStage { Llvm, LlvmOpt, Asm };

/// The function's name in objects of the cache.
inline constexpr const char* kKernelSymbol = "quern_kernel";

/// A relocatable ELF object of the artifact form (base/ElfObject.h): one global function `symbol` with the signature of
/// QuernArgs.h, no undefined symbol, .text and .rodata only. The same program gives the same bytes.
/// Errors   BadInput: the program does not verify. Internal: LLVM refused, or the object is not of the artifact form.
Result<std::string> emitObject(const LoopProgram& program, const std::string& symbol);

/// The same kernel as text: IR as built, IR after our passes, or assembly.
Result<std::string> emitText(const LoopProgram& program, EmitStage stage);

}  // namespace quern
