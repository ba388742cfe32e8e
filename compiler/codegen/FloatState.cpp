// compiler/codegen/FloatState.cpp — see FloatState.h.
#include "compiler/codegen/FloatState.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/IntrinsicsX86.h>

namespace quern {

static constexpr uint32_t kAllMasked = 0x1F80;  // MXCSR: the six exceptions' mask bits

FloatState::FloatState(llvm::IRBuilderBase& ir, std::string_view arch) : ir_(ir) {
  if (arch != "x86_64") return;
  slot_ = ir.CreateAlloca(ir.getInt32Ty(), nullptr, "mxcsr");
  ir.CreateIntrinsic(ir.getVoidTy(), llvm::Intrinsic::x86_sse_stmxcsr, {slot_});
  before_ = ir.CreateLoad(ir.getInt32Ty(), slot_);
  llvm::Value* masks = ir.CreateAnd(before_, kAllMasked);
  llvm::Function* function = ir.GetInsertBlock()->getParent();
  auto* change = llvm::BasicBlock::Create(ir.getContext(), "mxcsr.set", function);
  auto* go = llvm::BasicBlock::Create(ir.getContext(), "mxcsr.is", function);
  ir.CreateCondBr(ir.CreateICmpNE(masks, ir.getInt32(kAllMasked)), change, go);
  ir.SetInsertPoint(change);
  load(ir.CreateOr(before_, kAllMasked));
  ir.CreateBr(go);
  ir.SetInsertPoint(go);
}

void FloatState::restore() {
  if (slot_ != nullptr) load(before_);
}

void FloatState::flush() {
  constexpr uint32_t kFlushed = 0x9FC0;
  if (slot_ != nullptr) load(ir_.getInt32(kFlushed));
}

void FloatState::unflush() {
  if (slot_ != nullptr) load(ir_.CreateOr(before_, kAllMasked));
}

void FloatState::load(llvm::Value* state) {
  ir_.CreateStore(state, slot_);
  ir_.CreateIntrinsic(ir_.getVoidTy(), llvm::Intrinsic::x86_sse_ldmxcsr, {slot_});
}

}  // namespace quern
