// compiler/codegen/IrEmitter.h — LoopProgram -> LLVM IR. For .cpp files of codegen only (it includes LLVM).
#pragma once

#include "compiler/base/Result.h"
#include "compiler/loops/LoopProgram.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <functional>
#include <vector>

namespace quern {

/// Emits one program as the function `symbol` of `module`. The program has been verified.
class IrEmitter {
public:
  IrEmitter(const LoopProgram& program, llvm::Module& module, const std::string& symbol);
  void run();

private:
  struct BufferIr {
    llvm::Value* base = nullptr;
    std::vector<llvm::Value*> strides;
    llvm::MDNode* scope = nullptr;    ///< alias.scope of accesses to it
    llvm::MDNode* noalias = nullptr;  ///< the scopes of all other buffers
  };

  void declareFunction(const std::string& symbol);
  void bindArguments();
  void bindAliasScopes();
  void bindScratch();
  llvm::Value* argument(unsigned field);
  llvm::Value* element(llvm::Value* array, size_t index, llvm::Type* type);
  void taskLoop();

  llvm::Type* irType(LoopType type);
  llvm::Value* constant(const LoopExpr& e);
  llvm::Value* expr(const LoopExprRef& e);
  llvm::Value* load(const LoopExpr& e);
  llvm::Value* unary(const LoopExpr& e, llvm::Value* a);
  llvm::Value* binary(const LoopExpr& e, llvm::Value* a, llvm::Value* b);
  llvm::Value* floatBinary(LoopOp op, llvm::Value* a, llvm::Value* b);
  llvm::Value* integerBinary(LoopOp op, llvm::Value* a, llvm::Value* b);
  llvm::Value* cast(const LoopExpr& e, llvm::Value* a);
  llvm::Value* reduce(const LoopExpr& e, llvm::Value* a);
  llvm::Value* mask(const LoopExpr& e, llvm::Value* count);
  llvm::Value* address(int buffer, const std::vector<LoopExprRef>& args, size_t from);
  llvm::AllocaInst* regElement(int reg, const std::vector<LoopExprRef>& args, size_t from);
  template <class Instruction>
  Instruction* tagged(Instruction* access, int buffer);

  void block(const std::vector<LoopStmt>& stmts);
  void statement(const LoopStmt& s);
  void loop(llvm::Value* begin, llvm::Value* end, llvm::Value* step, const std::string& name, const std::function<void(llvm::Value*)>& body);
  void forStatement(const LoopStmt& s);
  void ifStatement(const LoopStmt& s);
  void store(const LoopStmt& s);
  void declareReg(const LoopStmt& s);

  const LoopProgram& program_;
  llvm::Module& module_;
  llvm::LLVMContext& context_;
  llvm::IRBuilder<> ir_;
  llvm::Function* function_ = nullptr;
  llvm::BasicBlock* entry_ = nullptr;
  std::vector<llvm::Value*> vars_;
  std::vector<std::vector<llvm::AllocaInst*>> regs_;
  std::vector<BufferIr> buffers_;
};

}  // namespace quern
