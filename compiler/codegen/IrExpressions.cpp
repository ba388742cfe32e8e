// compiler/codegen/IrExpressions.cpp — expressions of the loop IR, one instruction or a few each. No fast-math flag anywhere.
#include "compiler/base/Check.h"
#include "compiler/codegen/IrEmitter.h"

#include <llvm/IR/Intrinsics.h>

#include <numeric>

namespace quern {

llvm::Type* IrEmitter::irType(LoopType type) {
  llvm::Type* scalar = type.scalar == Scalar::F32   ? ir_.getFloatTy()
                       : type.scalar == Scalar::I32 ? static_cast<llvm::Type*>(ir_.getInt32Ty())
                       : type.scalar == Scalar::I64 ? static_cast<llvm::Type*>(ir_.getInt64Ty())
                                                    : static_cast<llvm::Type*>(ir_.getInt1Ty());
  return type.lanes == 1 ? scalar : llvm::FixedVectorType::get(scalar, static_cast<unsigned>(type.lanes));
}

llvm::Value* IrEmitter::constant(const LoopExpr& e) {
  llvm::Type* type = irType(e.type);
  if (e.type.scalar == Scalar::F32) return llvm::ConstantFP::get(type, llvm::APFloat(e.number));
  return llvm::ConstantInt::get(type, static_cast<uint64_t>(e.integer), true);
}

llvm::Value* IrEmitter::expr(const LoopExprRef& ref) {
  const LoopExpr& e = *ref;
  switch (e.kind) {
    case LoopExpr::Kind::Const: return constant(e);
    case LoopExpr::Kind::Var: return vars_[static_cast<size_t>(e.id)];
    case LoopExpr::Kind::Load: return load(e);
    case LoopExpr::Kind::RegGet: return ir_.CreateLoad(irType(e.type), regElement(e.id, e.args, 0));
    default: break;
  }
  std::vector<llvm::Value*> args;
  for (const LoopExprRef& arg : e.args) args.push_back(expr(arg));
  switch (e.kind) {
    case LoopExpr::Kind::Unary: return unary(e, args[0]);
    case LoopExpr::Kind::Binary: return binary(e, args[0], args[1]);
    case LoopExpr::Kind::Fma: return ir_.CreateIntrinsic(llvm::Intrinsic::fma, {args[0]->getType()}, args);
    case LoopExpr::Kind::Select: return ir_.CreateSelect(args[0], args[1], args[2]);
    case LoopExpr::Kind::Cast: return cast(e, args[0]);
    case LoopExpr::Kind::Broadcast: return ir_.CreateVectorSplat(static_cast<unsigned>(e.type.lanes), args[0]);
    case LoopExpr::Kind::Reduce: return reduce(e, args[0]);
    case LoopExpr::Kind::Mask: return mask(e, args[0]);
    case LoopExpr::Kind::Shuffle: {
      if (e.type.lanes > 1) return ir_.CreateShuffleVector(args[0], args[1], e.pattern);
      auto lanes = static_cast<int>(e.args[0]->type.lanes);
      int lane = e.pattern[0];
      return ir_.CreateExtractElement(args[lane < lanes ? 0 : 1], static_cast<uint64_t>(lane % lanes));
    }
    default: break;
  }
  QUERN_CHECK_FOR(false, program_.name);
  return nullptr;
}

llvm::Value* IrEmitter::unary(const LoopExpr& e, llvm::Value* a) {
  if (e.op == LoopOp::Neg) return ir_.CreateFNeg(a);
  return ir_.CreateUnaryIntrinsic(e.op == LoopOp::Abs ? llvm::Intrinsic::fabs : llvm::Intrinsic::sqrt, a);
}

llvm::Value* IrEmitter::binary(const LoopExpr& e, llvm::Value* a, llvm::Value* b) {
  return e.args[0]->type.scalar == Scalar::F32 ? floatBinary(e.op, a, b) : integerBinary(e.op, a, b);
}

llvm::Value* IrEmitter::floatBinary(LoopOp op, llvm::Value* a, llvm::Value* b) {
  switch (op) {
    case LoopOp::Add: return ir_.CreateFAdd(a, b);
    case LoopOp::Sub: return ir_.CreateFSub(a, b);
    case LoopOp::Mul: return ir_.CreateFMul(a, b);
    case LoopOp::Div: return ir_.CreateFDiv(a, b);
    case LoopOp::Max:
    case LoopOp::Min: {
      llvm::Value* better = ir_.CreateSelect(op == LoopOp::Max ? ir_.CreateFCmpOGT(a, b) : ir_.CreateFCmpOLT(a, b), a, b);
      return ir_.CreateSelect(ir_.CreateFCmpUNO(a, a), a, better);
    }
    case LoopOp::Lt: return ir_.CreateFCmpOLT(a, b);
    case LoopOp::Le: return ir_.CreateFCmpOLE(a, b);
    case LoopOp::Eq: return ir_.CreateFCmpOEQ(a, b);
    case LoopOp::Ne: return ir_.CreateFCmpUNE(a, b);
    default: break;
  }
  QUERN_CHECK_FOR(false, program_.name);
  return nullptr;
}

llvm::Value* IrEmitter::integerBinary(LoopOp op, llvm::Value* a, llvm::Value* b) {
  switch (op) {
    case LoopOp::Add: return ir_.CreateAdd(a, b);
    case LoopOp::Sub: return ir_.CreateSub(a, b);
    case LoopOp::Mul: return ir_.CreateMul(a, b);
    case LoopOp::Div: return ir_.CreateUDiv(a, b);
    case LoopOp::Rem: return ir_.CreateURem(a, b);
    case LoopOp::Max: return ir_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, a, b);
    case LoopOp::Min: return ir_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, a, b);
    case LoopOp::And: return ir_.CreateAnd(a, b);
    case LoopOp::Or: return ir_.CreateOr(a, b);
    case LoopOp::Xor: return ir_.CreateXor(a, b);
    case LoopOp::Shl: return ir_.CreateShl(a, b);
    case LoopOp::Ashr: return ir_.CreateAShr(a, b);
    case LoopOp::Lshr: return ir_.CreateLShr(a, b);
    case LoopOp::Lt: return ir_.CreateICmpSLT(a, b);
    case LoopOp::Le: return ir_.CreateICmpSLE(a, b);
    case LoopOp::Eq: return ir_.CreateICmpEQ(a, b);
    case LoopOp::Ne: return ir_.CreateICmpNE(a, b);
    default: break;
  }
  QUERN_CHECK_FOR(false, program_.name);
  return nullptr;
}

llvm::Value* IrEmitter::cast(const LoopExpr& e, llvm::Value* a) {
  llvm::Type* type = irType(e.type);
  if (e.op == LoopOp::ToF32) return ir_.CreateSIToFP(a, type);
  if (e.op == LoopOp::ToI64) return ir_.CreateSExt(a, type);
  return ir_.CreateBitCast(a, type);
}

llvm::Value* IrEmitter::reduce(const LoopExpr& e, llvm::Value* a) {
  for (int half = e.args[0]->type.lanes / 2; half >= 1; half /= 2) {
    std::vector<int> low(static_cast<size_t>(half)), high(low.size());
    std::iota(low.begin(), low.end(), 0);
    std::iota(high.begin(), high.end(), half);
    if (half == 1) return floatBinary(e.op, ir_.CreateExtractElement(a, uint64_t{0}), ir_.CreateExtractElement(a, uint64_t{1}));
    a = floatBinary(e.op, ir_.CreateShuffleVector(a, low), ir_.CreateShuffleVector(a, high));
  }
  return a;
}

llvm::Value* IrEmitter::mask(const LoopExpr& e, llvm::Value* count) {
  auto lanes = static_cast<unsigned>(e.type.lanes);
  llvm::Value* capped = ir_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, count, ir_.getInt64(lanes));
  capped = ir_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, capped, ir_.getInt64(0));
  if (lanes == 1) return ir_.CreateICmpSLT(ir_.getInt64(0), capped);
  std::vector<llvm::Constant*> numbers;
  for (unsigned i = 0; i < lanes; ++i) numbers.push_back(ir_.getInt32(i));
  llvm::Value* splat = ir_.CreateVectorSplat(lanes, ir_.CreateTrunc(capped, ir_.getInt32Ty()));
  return ir_.CreateICmpSLT(llvm::ConstantVector::get(numbers), splat);
}

llvm::Value* IrEmitter::address(int buffer, const std::vector<LoopExprRef>& args, size_t from) {
  const BufferIr& ir = buffers_[static_cast<size_t>(buffer)];
  llvm::Value* at = ir.base;
  // One step per dimension, outermost first: what a loop does not change is then a prefix that is hoisted out of it.
  for (size_t i = 0; i < ir.strides.size(); ++i) {
    llvm::Value* offset = ir_.CreateNSWMul(expr(args[from + i]), ir.strides[i]);
    at = ir_.CreateInBoundsGEP(ir_.getFloatTy(), at, offset);
  }
  return at;
}

template <class Instruction>
Instruction* IrEmitter::tagged(Instruction* access, int buffer) {
  const BufferIr& ir = buffers_[static_cast<size_t>(buffer)];
  access->setMetadata(llvm::LLVMContext::MD_alias_scope, ir.scope);
  access->setMetadata(llvm::LLVMContext::MD_noalias, ir.noalias);
  return access;
}
template llvm::StoreInst* IrEmitter::tagged(llvm::StoreInst*, int);
template llvm::CallInst* IrEmitter::tagged(llvm::CallInst*, int);

llvm::Value* IrEmitter::load(const LoopExpr& e) {
  llvm::Value* at = address(e.id, e.args, 0);
  llvm::Type* type = irType(e.type);
  if (!e.masked) return tagged(ir_.CreateAlignedLoad(type, at, llvm::Align(4)), e.id);
  if (e.type.lanes > 1) return tagged(ir_.CreateMaskedLoad(type, at, llvm::Align(4), expr(e.args.back()), llvm::Constant::getNullValue(type)), e.id);
  QUERN_CHECK_FOR(false, program_.name);
  return nullptr;
}

llvm::AllocaInst* IrEmitter::regElement(int reg, const std::vector<LoopExprRef>& args, size_t from) {
  const LoopReg& declared = program_.regs[static_cast<size_t>(reg)];
  size_t flat = 0;
  for (size_t i = 0; i < declared.dims.size(); ++i) {
    auto* at = llvm::dyn_cast<llvm::ConstantInt>(expr(args[from + i]));
    QUERN_CHECK_FOR(at != nullptr && at->getSExtValue() >= 0 && at->getSExtValue() < declared.dims[i], program_.name);
    flat = flat * static_cast<size_t>(declared.dims[i]) + static_cast<size_t>(at->getSExtValue());
  }
  return regs_[static_cast<size_t>(reg)][flat];
}

}  // namespace quern
