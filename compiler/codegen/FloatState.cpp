// compiler/codegen/FloatState.cpp — see FloatState.h.
#include "compiler/codegen/FloatState.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/IntrinsicsX86.h>

namespace quern {

static constexpr uint32_t kAllMasked = 0x1F80;  // MXCSR: the six exceptions' mask bits

FloatState::FloatState(llvm::IRBuilderBase& ir, std::string_view arch) : ir_(ir) {
  if (arch != "x86_64") return;
  slot_ = ir.CreateAlloca(ir.getInt32Ty(), nullptr, "mxcsr");
  before_ = read();
  llvm::Value* masks = ir.CreateAnd(before_, kAllMasked);
  write(ir.CreateOr(before_, kAllMasked), ir.CreateICmpNE(masks, ir.getInt32(kAllMasked)));
}

void FloatState::restore() {
  if (slot_ == nullptr) return;
  llvm::Value* after = read();
  write(before_, ir_.CreateICmpNE(after, before_));
}

llvm::Value* FloatState::read() {
  ir_.CreateIntrinsic(ir_.getVoidTy(), llvm::Intrinsic::x86_sse_stmxcsr, {slot_});
  return ir_.CreateLoad(ir_.getInt32Ty(), slot_);
}

void FloatState::write(llvm::Value* state, llvm::Value* when) {
  llvm::Function* function = ir_.GetInsertBlock()->getParent();
  auto* change = llvm::BasicBlock::Create(ir_.getContext(), "mxcsr.set", function);
  auto* go = llvm::BasicBlock::Create(ir_.getContext(), "mxcsr.is", function);
  ir_.CreateCondBr(when, change, go);
  ir_.SetInsertPoint(change);
  ir_.CreateStore(state, slot_);
  ir_.CreateIntrinsic(ir_.getVoidTy(), llvm::Intrinsic::x86_sse_ldmxcsr, {slot_});
  ir_.CreateBr(go);
  ir_.SetInsertPoint(go);
}

}  // namespace quern
