// compiler/codegen/ByteLookup.h — the node lookup_bytes: a shuffle of bytes where the level has one, else comparisons.
#pragma once

#include "compiler/loops/ir/LoopProgram.h"
#include "compiler/target/Target.h"

namespace llvm {
class IRBuilderBase;
class Value;
}  // namespace llvm

namespace quern {

/// `words`: the node's argument.
llvm::Value* lookupBytes(llvm::IRBuilderBase& ir, const LoopExpr& e, llvm::Value* words, const IsaLevel& isa);

}  // namespace quern
