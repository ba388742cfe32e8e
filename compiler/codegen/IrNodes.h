// compiler/codegen/IrNodes.h — what becomes of the loop IR's types and of its nodes that compute a value from values.
#pragma once

#include "compiler/loops/LoopProgram.h"

#include <span>

namespace llvm {
class IRBuilderBase;
class Type;
class Value;
}  // namespace llvm

namespace quern {

/// As it is computed with.
llvm::Type* irType(llvm::IRBuilderBase& ir, LoopType type);
/// As it lies in memory.
llvm::Type* memoryType(llvm::IRBuilderBase& ir, Stored stored, int lanes);

/// The node `e`, of any kind but Var, Load, RegGet and Call, at the builder's place. `args` are its operands; `vectorBits` the level's.
llvm::Value* irNode(llvm::IRBuilderBase& ir, const LoopExpr& e, std::span<llvm::Value* const> args, int vectorBits);

}  // namespace quern
