// compiler/codegen/IrNodes.cpp — one instruction or a few for each node. No fast-math flag anywhere.
#include "compiler/codegen/IrNodes.h"

#include "compiler/base/Check.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <numeric>
#include <vector>

namespace quern {

llvm::Type* irType(llvm::IRBuilderBase& ir, LoopType type) {
  llvm::Type* scalar = type.scalar == Scalar::F32   ? ir.getFloatTy()
                       : type.scalar == Scalar::I32 ? static_cast<llvm::Type*>(ir.getInt32Ty())
                       : type.scalar == Scalar::I64 ? static_cast<llvm::Type*>(ir.getInt64Ty())
                                                    : static_cast<llvm::Type*>(ir.getInt1Ty());
  return type.lanes == 1 ? scalar : llvm::FixedVectorType::get(scalar, static_cast<unsigned>(type.lanes));
}

llvm::Type* memoryType(llvm::IRBuilderBase& ir, Stored stored, int lanes) {
  llvm::Type* scalar =
      stored == Stored::F32 ? ir.getFloatTy() : static_cast<llvm::Type*>(ir.getIntNTy(static_cast<unsigned>(8 * bytesOf(stored))));
  return lanes == 1 ? scalar : llvm::FixedVectorType::get(scalar, static_cast<unsigned>(lanes));
}

namespace {

llvm::Value* constant(llvm::IRBuilderBase& ir, const LoopExpr& e) {
  llvm::Type* type = irType(ir, e.type);
  if (e.type.scalar == Scalar::F32) return llvm::ConstantFP::get(type, llvm::APFloat(e.number));
  return llvm::ConstantInt::get(type, static_cast<uint64_t>(e.integer), true);
}

llvm::Value* unary(llvm::IRBuilderBase& ir, const LoopExpr& e, llvm::Value* a) {
  if (e.op == LoopOp::Neg) return ir.CreateFNeg(a);
  return ir.CreateUnaryIntrinsic(e.op == LoopOp::Abs ? llvm::Intrinsic::fabs : llvm::Intrinsic::sqrt, a);
}

llvm::Value* floatBinary(llvm::IRBuilderBase& ir, LoopOp op, llvm::Value* a, llvm::Value* b) {
  switch (op) {
    case LoopOp::Add: return ir.CreateFAdd(a, b);
    case LoopOp::Sub: return ir.CreateFSub(a, b);
    case LoopOp::Mul: return ir.CreateFMul(a, b);
    case LoopOp::Div: return ir.CreateFDiv(a, b);
    case LoopOp::Max:
    case LoopOp::Min: {
      llvm::Value* better = ir.CreateSelect(op == LoopOp::Max ? ir.CreateFCmpOGT(a, b) : ir.CreateFCmpOLT(a, b), a, b);
      return ir.CreateSelect(ir.CreateFCmpUNO(a, a), a, better);
    }
    case LoopOp::Lt: return ir.CreateFCmpOLT(a, b);
    case LoopOp::Le: return ir.CreateFCmpOLE(a, b);
    case LoopOp::Eq: return ir.CreateFCmpOEQ(a, b);
    case LoopOp::Ne: return ir.CreateFCmpUNE(a, b);
    default: break;
  }
  QUERN_CHECK_FOR(false, "an operator that its type does not have");
  return nullptr;
}

llvm::Value* integerBinary(llvm::IRBuilderBase& ir, LoopOp op, llvm::Value* a, llvm::Value* b) {
  switch (op) {
    case LoopOp::Add: return ir.CreateAdd(a, b);
    case LoopOp::Sub: return ir.CreateSub(a, b);
    case LoopOp::Mul: return ir.CreateMul(a, b);
    case LoopOp::Div: return ir.CreateUDiv(a, b);
    case LoopOp::Rem: return ir.CreateURem(a, b);
    case LoopOp::Max: return ir.CreateBinaryIntrinsic(llvm::Intrinsic::smax, a, b);
    case LoopOp::Min: return ir.CreateBinaryIntrinsic(llvm::Intrinsic::smin, a, b);
    case LoopOp::And: return ir.CreateAnd(a, b);
    case LoopOp::Or: return ir.CreateOr(a, b);
    case LoopOp::Xor: return ir.CreateXor(a, b);
    case LoopOp::Shl: return ir.CreateShl(a, b);
    case LoopOp::Ashr: return ir.CreateAShr(a, b);
    case LoopOp::Lshr: return ir.CreateLShr(a, b);
    case LoopOp::Lt: return ir.CreateICmpSLT(a, b);
    case LoopOp::Le: return ir.CreateICmpSLE(a, b);
    case LoopOp::Eq: return ir.CreateICmpEQ(a, b);
    case LoopOp::Ne: return ir.CreateICmpNE(a, b);
    default: break;
  }
  QUERN_CHECK_FOR(false, "an operator that its type does not have");
  return nullptr;
}

llvm::Value* binary(llvm::IRBuilderBase& ir, const LoopExpr& e, llvm::Value* a, llvm::Value* b) {
  return e.args[0]->type.scalar == Scalar::F32 ? floatBinary(ir, e.op, a, b) : integerBinary(ir, e.op, a, b);
}

llvm::Value* cast(llvm::IRBuilderBase& ir, const LoopExpr& e, llvm::Value* a) {
  llvm::Type* type = irType(ir, e.type);
  if (e.op == LoopOp::ToF32) return ir.CreateSIToFP(a, type);
  if (e.op == LoopOp::ToI64) return ir.CreateSExt(a, type);
  auto shaped = [&](llvm::Type* scalar) {
    return e.type.lanes == 1 ? scalar : llvm::FixedVectorType::get(scalar, static_cast<unsigned>(e.type.lanes));
  };
  if (e.op == LoopOp::HalfF32)
    return ir.CreateFPExt(ir.CreateBitCast(ir.CreateTrunc(a, shaped(ir.getInt16Ty())), shaped(ir.getHalfTy())), type);
  if (e.op == LoopOp::F32Half)
    return ir.CreateZExt(ir.CreateBitCast(ir.CreateFPTrunc(a, shaped(ir.getHalfTy())), shaped(ir.getInt16Ty())), type);
  return ir.CreateBitCast(a, type);
}

llvm::Value* lookup(llvm::IRBuilderBase& ir, const LoopExpr& e, llvm::Value* index, int vectorBits) {
  constexpr unsigned kWide = 16;
  auto lanes = static_cast<unsigned>(e.type.lanes), entries = static_cast<unsigned>(e.table.size());
  if (vectorBits != 512 || lanes > kWide) {
    llvm::Value* table = llvm::ConstantDataVector::get(ir.getContext(), e.table);
    index = ir.CreateAnd(index, llvm::ConstantInt::get(index->getType(), entries - 1));
    if (lanes == 1) return ir.CreateExtractElement(table, index);
    llvm::Value* all = llvm::PoisonValue::get(irType(ir, e.type));
    for (unsigned i = 0; i < lanes; ++i)
      all = ir.CreateInsertElement(all, ir.CreateExtractElement(table, ir.CreateExtractElement(index, i)), i);
    return all;
  }
  // One or two registers of sixteen entries; fewer lanes are widened. The instructions take the index modulo the table themselves.
  llvm::ArrayRef<float> table(e.table);
  llvm::Value* low = llvm::ConstantDataVector::get(ir.getContext(), table.take_front(kWide));
  llvm::Value* high = llvm::ConstantDataVector::get(ir.getContext(), table.take_back(kWide));
  if (lanes == 1)
    index = ir.CreateInsertElement(llvm::PoisonValue::get(llvm::FixedVectorType::get(ir.getInt32Ty(), kWide)), index, uint64_t{0});
  if (lanes > 1 && lanes < kWide) {
    std::vector<int> widened(kWide, -1);
    std::iota(widened.begin(), widened.begin() + lanes, 0);
    index = ir.CreateShuffleVector(index, widened);
  }
  llvm::Value* found = entries == kWide ? ir.CreateIntrinsic(llvm::Intrinsic::x86_avx512_permvar_sf_512, {}, {low, index})
                                        : ir.CreateIntrinsic(llvm::Intrinsic::x86_avx512_vpermi2var_ps_512, {}, {low, index, high});
  if (lanes == 1) return ir.CreateExtractElement(found, uint64_t{0});
  if (lanes == kWide) return found;
  std::vector<int> narrowed(lanes);
  std::iota(narrowed.begin(), narrowed.end(), 0);
  return ir.CreateShuffleVector(found, narrowed);
}

llvm::Value* reduce(llvm::IRBuilderBase& ir, const LoopExpr& e, LoopOp op, llvm::Value* a) {
  for (int half = e.args[0]->type.lanes / 2; half >= 1; half /= 2) {
    std::vector<int> low(static_cast<size_t>(half)), high(low.size());
    std::iota(low.begin(), low.end(), 0);
    std::iota(high.begin(), high.end(), half);
    if (half == 1) return floatBinary(ir, op, ir.CreateExtractElement(a, uint64_t{0}), ir.CreateExtractElement(a, uint64_t{1}));
    a = floatBinary(ir, op, ir.CreateShuffleVector(a, low), ir.CreateShuffleVector(a, high));
  }
  return a;
}

llvm::Value* mask(llvm::IRBuilderBase& ir, const LoopExpr& e, llvm::Value* count) {
  auto lanes = static_cast<unsigned>(e.type.lanes);
  llvm::Value* capped = ir.CreateBinaryIntrinsic(llvm::Intrinsic::smin, count, ir.getInt64(lanes));
  capped = ir.CreateBinaryIntrinsic(llvm::Intrinsic::smax, capped, ir.getInt64(0));
  if (lanes == 1) return ir.CreateICmpSLT(ir.getInt64(0), capped);
  std::vector<llvm::Constant*> numbers;
  for (unsigned i = 0; i < lanes; ++i) numbers.push_back(ir.getInt32(i));
  llvm::Value* splat = ir.CreateVectorSplat(lanes, ir.CreateTrunc(capped, ir.getInt32Ty()));
  return ir.CreateICmpSLT(llvm::ConstantVector::get(numbers), splat);
}

llvm::Value* shuffle(llvm::IRBuilderBase& ir, const LoopExpr& e, llvm::Value* a, llvm::Value* b) {
  if (e.type.lanes > 1) return ir.CreateShuffleVector(a, b, e.pattern);
  int lanes = e.args[0]->type.lanes, lane = e.pattern[0];
  return ir.CreateExtractElement(lane < lanes ? a : b, static_cast<uint64_t>(lane % lanes));
}

}  // namespace

llvm::Value* irNode(llvm::IRBuilderBase& ir, const LoopExpr& e, std::span<llvm::Value* const> args, int vectorBits) {
  if (e.kind == LoopExpr::Kind::Const) return constant(ir, e);
  QUERN_CHECK_FOR(e.kind == LoopExpr::Kind::Op, "a node that is no value of values");
  switch (e.op) {
    case LoopOp::Neg:
    case LoopOp::Abs:
    case LoopOp::Sqrt: return unary(ir, e, args[0]);
    case LoopOp::ToF32:
    case LoopOp::ToI64:
    case LoopOp::BitsF32:
    case LoopOp::BitsI32:
    case LoopOp::HalfF32:
    case LoopOp::F32Half: return cast(ir, e, args[0]);
    case LoopOp::Fma: return ir.CreateIntrinsic(llvm::Intrinsic::fma, {args[0]->getType()}, {args[0], args[1], args[2]});
    case LoopOp::Select: return ir.CreateSelect(args[0], args[1], args[2]);
    case LoopOp::Broadcast: return ir.CreateVectorSplat(static_cast<unsigned>(e.type.lanes), args[0]);
    case LoopOp::Mask: return mask(ir, e, args[0]);
    case LoopOp::ReduceAdd: return reduce(ir, e, LoopOp::Add, args[0]);
    case LoopOp::ReduceMax: return reduce(ir, e, LoopOp::Max, args[0]);
    case LoopOp::ReduceMin: return reduce(ir, e, LoopOp::Min, args[0]);
    case LoopOp::Shuffle: return shuffle(ir, e, args[0], args[1]);
    case LoopOp::Lookup: return lookup(ir, e, args[0], vectorBits);
    default: return binary(ir, e, args[0], args[1]);
  }
}

}  // namespace quern
