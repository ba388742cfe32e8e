// compiler/codegen/IrNodes.h — what becomes of the loop IR's types and of its nodes that compute a value from values.
#pragma once

#include "compiler/loops/ir/LoopProgram.h"
#include "compiler/target/Contract.h"

#include <span>

namespace llvm {
class IRBuilderBase;
class Type;
class Value;
}  // namespace llvm

namespace quern {

/// As it is computed with.
llvm::Type* irType(llvm::IRBuilderBase& ir, LoopType type);
/// As it lies in memory, where a load or store of it is of type `value`.
llvm::Type* memoryType(llvm::IRBuilderBase& ir, Scalar stored, LoopType value);

/// The node `e`, of any kind but Var, Load and RegGet, at the builder's place. `args` are its operands.
llvm::Value* irNode(llvm::IRBuilderBase& ir, const LoopExpr& e, std::span<llvm::Value* const> args, const Contract& contract);

}  // namespace quern
