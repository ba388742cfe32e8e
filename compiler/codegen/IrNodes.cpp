// compiler/codegen/IrNodes.cpp — one instruction or a few for each node. No fast-math flag anywhere.
#include "compiler/codegen/IrNodes.h"

#include "compiler/base/Check.h"
#include "compiler/codegen/ByteLookup.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace quern {

static llvm::Type* scalarType(llvm::IRBuilderBase& ir, Scalar scalar) {
  switch (scalar) {
    case Scalar::Bool: return ir.getInt1Ty();
    case Scalar::I8:
    case Scalar::U8: return ir.getInt8Ty();
    case Scalar::I16:
    case Scalar::U16: return ir.getInt16Ty();
    case Scalar::F16: return ir.getHalfTy();
    case Scalar::BF16: return ir.getBFloatTy();
    case Scalar::I32: return ir.getInt32Ty();
    case Scalar::I64: return ir.getInt64Ty();
    case Scalar::F32: return ir.getFloatTy();
    case Scalar::F64: return ir.getDoubleTy();
  }
  return nullptr;
}

static llvm::Type* inLanes(llvm::Type* scalar, int lanes) {
  return lanes == 1 ? scalar : llvm::FixedVectorType::get(scalar, static_cast<unsigned>(lanes));
}

llvm::Type* irType(llvm::IRBuilderBase& ir, LoopType type) { return inLanes(scalarType(ir, type.scalar), type.lanes); }

llvm::Type* memoryType(llvm::IRBuilderBase& ir, Scalar stored, LoopType value) {
  bool bits = value.scalar != stored;  // those of a half are an i16 then
  return inLanes(bits ? ir.getIntNTy(static_cast<unsigned>(8 * bytesOf(stored))) : scalarType(ir, stored), value.lanes);
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
  return a->getType()->isFPOrFPVectorTy() ? floatBinary(ir, e.op, a, b) : integerBinary(ir, e.op, a, b);
}

llvm::Value* cast(llvm::IRBuilderBase& ir, const LoopExpr& e, llvm::Value* a) {
  llvm::Type* type = irType(ir, e.type);
  Scalar from = e.args[0]->type.scalar;
  auto shaped = [&](llvm::Type* scalar) { return inLanes(scalar, e.type.lanes); };
  switch (e.op) {
    case LoopOp::ToF32:
    case LoopOp::ToF64: return a->getType()->isFPOrFPVectorTy() ? ir.CreateFPCast(a, type) : ir.CreateSIToFP(a, type);
    case LoopOp::ToI32: return from == Scalar::U8 || from == Scalar::U16 ? ir.CreateZExt(a, type) : ir.CreateSExtOrTrunc(a, type);
    case LoopOp::ToI64: return ir.CreateSExt(a, type);
    case LoopOp::HalfF32:
      if (from == Scalar::F16) return ir.CreateFPExt(a, type);
      return ir.CreateFPExt(ir.CreateBitCast(ir.CreateTrunc(a, shaped(ir.getInt16Ty())), shaped(ir.getHalfTy())), type);
    case LoopOp::F32Half:
      return ir.CreateZExt(ir.CreateBitCast(ir.CreateFPTrunc(a, shaped(ir.getHalfTy())), shaped(ir.getInt16Ty())), type);
    default: return ir.CreateBitCast(a, type);
  }
}

/// Vectors on x86 compare and choose: LLVM would take them apart.
llvm::Value* truncated(llvm::IRBuilderBase& ir, const LoopExpr& e, llvm::Value* a, const IsaLevel& isa) {
  llvm::Type *type = irType(ir, e.type), *floats = a->getType();
  if (e.type.lanes == 1 || isa.arch != "x86_64") return ir.CreateIntrinsic(llvm::Intrinsic::fptosi_sat, {type, floats}, {a});
  unsigned bits = type->getScalarSizeInBits();
  double end = e.type.scalar == Scalar::I32 ? 0x1p31 : 0x1p63;
  llvm::Value *top = llvm::ConstantFP::get(floats, end), *least = llvm::ConstantFP::get(floats, -end);
  llvm::Value *below = ir.CreateFCmpOLT(a, least), *above = ir.CreateFCmpOGE(a, top);
  llvm::Value* within = ir.CreateAnd(ir.CreateFCmpOGE(a, least), ir.CreateFCmpOLT(a, top));
  llvm::Value* whole = ir.CreateFPToSI(ir.CreateSelect(within, a, llvm::Constant::getNullValue(floats)), type);
  whole = ir.CreateSelect(above, llvm::ConstantInt::get(type, llvm::APInt::getSignedMaxValue(bits)), whole);
  return ir.CreateSelect(below, llvm::ConstantInt::get(type, llvm::APInt::getSignedMinValue(bits)), whole);
}

/// Lanes first, first + step ... of `a`.
llvm::Value* everyOf(llvm::IRBuilderBase& ir, llvm::Value* a, int first, int step, int lanes) {
  std::vector<int> pattern(static_cast<size_t>(lanes));
  for (int i = 0; i < lanes; ++i) pattern[static_cast<size_t>(i)] = first + step * i;
  return lanes == 1 ? ir.CreateExtractElement(a, static_cast<uint64_t>(first)) : ir.CreateShuffleVector(a, pattern);
}

/// a[2 i] b[2 i] + a[2 i + 1] b[2 i + 1] of words, as i32: pmaddwd of whole registers on x86, which LLVM does not find by itself.
llvm::Value* pairSums(llvm::IRBuilderBase& ir, llvm::Value* a, llvm::Value* b, const IsaLevel& isa) {
  auto lanes = static_cast<int>(llvm::cast<llvm::FixedVectorType>(a->getType())->getNumElements());
  int atOnce = std::min(lanes, isa.vectorBits / 16);
  if (isa.arch != "x86_64" || atOnce < 8) {
    llvm::Type* wide = inLanes(ir.getInt32Ty(), lanes / 2);
    auto product = [&](int first) {
      llvm::Value *x = everyOf(ir, a, first, 2, lanes / 2), *y = everyOf(ir, b, first, 2, lanes / 2);
      return ir.CreateMul(ir.CreateSExt(x, wide), ir.CreateSExt(y, wide));
    };
    return ir.CreateAdd(product(0), product(1));
  }
  auto instruction = atOnce == 8    ? llvm::Intrinsic::x86_sse2_pmadd_wd
                     : atOnce == 16 ? llvm::Intrinsic::x86_avx2_pmadd_wd
                                    : llvm::Intrinsic::x86_avx512_pmaddw_d_512;
  std::vector<llvm::Value*> parts;
  for (int first = 0; first < lanes; first += atOnce)
    parts.push_back(ir.CreateIntrinsic(instruction, {}, {everyOf(ir, a, first, 1, atOnce), everyOf(ir, b, first, 1, atOnce)}));
  for (int each = atOnce / 2; parts.size() > 1; each *= 2) {
    std::vector<int> both(static_cast<size_t>(2 * each));
    std::iota(both.begin(), both.end(), 0);
    for (size_t i = 0; i < parts.size() / 2; ++i) parts[i] = ir.CreateShuffleVector(parts[2 * i], parts[2 * i + 1], both);
    parts.resize(parts.size() / 2);
  }
  return parts[0];
}

llvm::Value* bytesOf(llvm::IRBuilderBase& ir, const LoopExpr& e, llvm::Value* words) {
  constexpr uint64_t kSeven = 0x7f;
  llvm::Value* bytes = ir.CreateBitCast(words, inLanes(ir.getInt8Ty(), e.type.lanes));
  if (e.op == LoopOp::BytesU7) return ir.CreateAnd(bytes, llvm::ConstantInt::get(bytes->getType(), kSeven));
  return bytes;
}

/// pmaddubsw of so many bits.
llvm::Value* shortPairs(llvm::IRBuilderBase& ir, llvm::Value* a, llvm::Value* b, int bits) {
  auto instruction = bits == 128   ? llvm::Intrinsic::x86_ssse3_pmadd_ub_sw_128
                     : bits == 256 ? llvm::Intrinsic::x86_avx2_pmadd_ub_sw
                                   : llvm::Intrinsic::x86_avx512_pmaddubs_w_512;
  return ir.CreateIntrinsic(instruction, {}, {a, b});
}

/// Products of bytes that add up in pairs within a word (pmaddubsw), pairs of those in 32 bits: `a` below 128 in size, `b` above -128.
llvm::Value* shortDot4(llvm::IRBuilderBase& ir, const LoopExpr& e, std::span<llvm::Value* const> args, const IsaLevel& isa) {
  int bits = 32 * e.type.lanes;
  llvm::Value *a = args[1], *b = args[2];
  if (e.args[1]->type.scalar == Scalar::I8) {  // the sign moves to the other side
    if (bits == 512) b = ir.CreateSelect(ir.CreateICmpSLT(a, llvm::Constant::getNullValue(a->getType())), ir.CreateNeg(b), b);
    else b = ir.CreateIntrinsic(bits == 256 ? llvm::Intrinsic::x86_avx2_psign_b : llvm::Intrinsic::x86_ssse3_psign_b_128, {}, {b, a});
    a = ir.CreateBinaryIntrinsic(llvm::Intrinsic::abs, a, ir.getFalse());
  }
  llvm::Value* pairs = shortPairs(ir, a, b, bits);
  return ir.CreateAdd(args[0], pairSums(ir, pairs, llvm::ConstantInt::get(pairs->getType(), 1), isa));
}

/// Has the level pmaddubsw in registers of so many bits?
bool hasShortDots(const IsaLevel& isa, int bits) {
  return isa.shortDots && bits >= 128 && bits <= isa.vectorBits && (bits & (bits - 1)) == 0;
}

llvm::Value* dotsInHalves(llvm::IRBuilderBase& ir, const LoopExpr& e, llvm::Value* a, llvm::Value* b, const IsaLevel& isa) {
  int lanes = e.type.lanes;
  llvm::Type* type = inLanes(ir.getInt32Ty(), lanes);
  if (hasShortDots(isa, 32 * lanes)) return ir.CreateBitCast(shortPairs(ir, a, b, 32 * lanes), type);
  llvm::Type* words = inLanes(ir.getInt16Ty(), 4 * lanes);  // a product fits
  llvm::Value* products = ir.CreateMul(ir.CreateZExt(a, words), ir.CreateSExt(b, words));
  llvm::Value *even = everyOf(ir, products, 0, 2, 2 * lanes), *odd = everyOf(ir, products, 1, 2, 2 * lanes);
  return ir.CreateBitCast(ir.CreateBinaryIntrinsic(llvm::Intrinsic::sadd_sat, even, odd), type);
}

/// i32 as twice as many of 16 bits.
llvm::Value* halvesOf(llvm::IRBuilderBase& ir, llvm::Value* words, int lanes) {
  return ir.CreateBitCast(words, inLanes(ir.getInt16Ty(), 2 * lanes));
}

llvm::Value* sumHalves(llvm::IRBuilderBase& ir, const LoopExpr& e, llvm::Value* sum, llvm::Value* words, const IsaLevel& isa) {
  llvm::Value* halves = halvesOf(ir, words, e.type.lanes);
  return ir.CreateAdd(sum, pairSums(ir, halves, llvm::ConstantInt::get(halves->getType(), 1), isa));
}

/// Sums of products of four bytes: vpdpbusd where the contract has it and the lanes fill a register, else of words.
llvm::Value* dot4(llvm::IRBuilderBase& ir, const LoopExpr& e, std::span<llvm::Value* const> args, const Contract& contract) {
  int sums = e.type.lanes, bits = 32 * sums;
  bool isSigned = e.args[1]->type.scalar == Scalar::I8;
  llvm::Intrinsic::ID instruction = llvm::Intrinsic::not_intrinsic;
  if (bits == 512 && contract.has("avx512vnni")) instruction = llvm::Intrinsic::x86_avx512_vpdpbusd_512;
  if (contract.has("avx512vnni") || contract.has("avxvnni")) {
    if (bits == 256) instruction = llvm::Intrinsic::x86_avx512_vpdpbusd_256;
    if (bits == 128) instruction = llvm::Intrinsic::x86_avx512_vpdpbusd_128;
  }
  if (instruction != llvm::Intrinsic::not_intrinsic) {
    llvm::Type* words = args[0]->getType();
    auto dot = [&](llvm::Value* sum, llvm::Value* a, llvm::Value* b) {
      return ir.CreateIntrinsic(instruction, {}, {sum, ir.CreateBitCast(a, words), ir.CreateBitCast(b, words)});
    };
    if (!isSigned) return dot(args[0], args[1], args[2]);
    // a + 128 has no sign; what it adds, 128 times the sum of b, is taken away.
    llvm::Value* offset = llvm::ConstantInt::get(args[1]->getType(), 0x80);
    llvm::Value* excess = dot(llvm::Constant::getNullValue(words), offset, args[2]);
    return ir.CreateSub(dot(args[0], ir.CreateXor(args[1], offset), args[2]), excess);
  }
  // 128 x 127 twice is below 2^15.
  bool small = isSigned ? e.args[2]->op == LoopOp::BytesS7 : e.args[1]->op == LoopOp::BytesU7;
  if (small && hasShortDots(contract.isa(), bits)) return shortDot4(ir, e, args, contract.isa());
  llvm::Type* words = inLanes(ir.getInt16Ty(), 4 * sums);
  llvm::Value* a = isSigned ? ir.CreateSExt(args[1], words) : ir.CreateZExt(args[1], words);
  llvm::Value* b = ir.CreateSExt(args[2], words);
  llvm::Value* pairs = pairSums(ir, a, b, contract.isa());
  llvm::Value* total = ir.CreateAdd(args[0], ir.CreateAdd(everyOf(ir, pairs, 0, 2, sums), everyOf(ir, pairs, 1, 2, sums)));
  return total;
}

/// Arithmetic that is kept where it stands: the state that flushes is none of LLVM's model.
class FlushedMaths {
public:
  explicit FlushedMaths(llvm::IRBuilderBase& ir) : ir_(ir) {}

  llvm::Value* add(llvm::Value* a, llvm::Value* b) { return binary(llvm::Intrinsic::experimental_constrained_fadd, a, b); }
  llvm::Value* sub(llvm::Value* a, llvm::Value* b) { return binary(llvm::Intrinsic::experimental_constrained_fsub, a, b); }
  llvm::Value* mul(llvm::Value* a, llvm::Value* b) { return binary(llvm::Intrinsic::experimental_constrained_fmul, a, b); }
  llvm::Value* wide(llvm::Value* a) {
    return ir_.CreateConstrainedFPCast(llvm::Intrinsic::experimental_constrained_fpext, a, typeLike(a, ir_.getDoubleTy()), nullptr, "",
                                       nullptr, llvm::RoundingMode::Dynamic, llvm::fp::ebStrict);
  }
  llvm::Value* narrow(llvm::Value* a) {
    return ir_.CreateConstrainedFPCast(llvm::Intrinsic::experimental_constrained_fptrunc, a, typeLike(a, ir_.getFloatTy()), nullptr, "",
                                       nullptr, llvm::RoundingMode::Dynamic, llvm::fp::ebStrict);
  }
  llvm::Value* is(llvm::CmpInst::Predicate how, llvm::Value* a, llvm::Value* b) {
    return ir_.CreateConstrainedFPCmp(llvm::Intrinsic::experimental_constrained_fcmp, how, a, b, "", llvm::fp::ebStrict);
  }

private:
  llvm::Value* binary(llvm::Intrinsic::ID op, llvm::Value* a, llvm::Value* b) {
    return ir_.CreateConstrainedFPBinOp(op, a, b, nullptr, "", nullptr, llvm::RoundingMode::Dynamic, llvm::fp::ebStrict);
  }
  static llvm::Type* typeLike(llvm::Value* a, llvm::Type* scalar) {
    auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(a->getType());
    return vector == nullptr ? scalar : llvm::FixedVectorType::get(scalar, vector->getNumElements());
  }
  llvm::IRBuilderBase& ir_;
};

/// Without fma the product is exact in double; where the sum, which is not, lies half way between two floats, what was lost of it decides.
llvm::Value* flushedFmaInDouble(llvm::IRBuilderBase& ir, llvm::Value* a, llvm::Value* b, llvm::Value* c) {
  FlushedMaths m(ir);
  llvm::Value *product = m.mul(m.wide(a), m.wide(b)), *more = m.wide(c), *sum = m.add(product, more), *added = m.sub(sum, product);
  llvm::Value* lost = m.add(m.sub(product, m.sub(sum, added)), m.sub(more, added));
  llvm::Value *nearest = m.narrow(sum), *off = m.sub(sum, m.wide(nearest)), *across = m.add(m.wide(nearest), m.add(off, off));
  llvm::Value *other = m.narrow(across), *none = llvm::Constant::getNullValue(nearest->getType());
  llvm::Value* half = ir.CreateAnd(m.is(llvm::CmpInst::FCMP_OEQ, m.wide(other), across), m.is(llvm::CmpInst::FCMP_UNE, nearest, other));
  half = ir.CreateAnd(half, m.is(llvm::CmpInst::FCMP_UNE, nearest, none));  // a 0 may be what was flushed
  llvm::Value* less = m.is(llvm::CmpInst::FCMP_OLT, nearest, other);
  llvm::Value *above = ir.CreateSelect(less, other, nearest), *below = ir.CreateSelect(less, nearest, other);
  llvm::Value* zero = llvm::Constant::getNullValue(lost->getType());
  llvm::Value* decided = ir.CreateSelect(m.is(llvm::CmpInst::FCMP_OGT, lost, zero), above,
                                         ir.CreateSelect(m.is(llvm::CmpInst::FCMP_OLT, lost, zero), below, nearest));
  return ir.CreateSelect(half, decided, nearest);
}

llvm::Value* flushedFma(llvm::IRBuilderBase& ir, const IsaLevel& isa, llvm::Value* a, llvm::Value* b, llvm::Value* c) {
  if (!isa.fma) return flushedFmaInDouble(ir, a, b, c);
  llvm::Module* module = ir.GetInsertBlock()->getModule();
  llvm::Function* fma = llvm::Intrinsic::getDeclaration(module, llvm::Intrinsic::experimental_constrained_fma, {a->getType()});
  return ir.CreateConstrainedFPCall(fma, {a, b, c}, "", llvm::RoundingMode::Dynamic, llvm::fp::ebStrict);
}

/// vdpbf16ps where the contract has it and the lanes fill a register, else two fma.
llvm::Value* dotPairs(llvm::IRBuilderBase& ir, const LoopExpr& e, std::span<llvm::Value* const> args, const Contract& contract) {
  int bits = 32 * e.type.lanes;
  if (contract.has("avx512bf16") && (bits == 512 || bits == 256 || bits == 128)) {
    auto instruction = bits == 512   ? llvm::Intrinsic::x86_avx512bf16_dpbf16ps_512
                       : bits == 256 ? llvm::Intrinsic::x86_avx512bf16_dpbf16ps_256
                                     : llvm::Intrinsic::x86_avx512bf16_dpbf16ps_128;
    llvm::Type* pairs = inLanes(ir.getBFloatTy(), 2 * e.type.lanes);
    return ir.CreateIntrinsic(instruction, {}, {args[0], ir.CreateBitCast(args[1], pairs), ir.CreateBitCast(args[2], pairs)});
  }
  llvm::Type *words = args[1]->getType(), *floats = args[0]->getType();
  constexpr uint64_t kHigh = 0xffff0000;
  auto low = [&](llvm::Value* pair) { return ir.CreateBitCast(ir.CreateShl(pair, llvm::ConstantInt::get(words, 16)), floats); };
  auto high = [&](llvm::Value* pair) { return ir.CreateBitCast(ir.CreateAnd(pair, llvm::ConstantInt::get(words, kHigh)), floats); };
  const IsaLevel& isa = contract.isa();
  return flushedFma(ir, isa, low(args[1]), low(args[2]), flushedFma(ir, isa, high(args[1]), high(args[2]), args[0]));
}

llvm::Value* lookup(llvm::IRBuilderBase& ir, const LoopExpr& e, llvm::Value* index, const Contract& contract) {
  constexpr unsigned kWide = 16;
  auto lanes = static_cast<unsigned>(e.type.lanes), entries = static_cast<unsigned>(e.table.size());
  if (!contract.isa().tableLookup || lanes > kWide) {
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

llvm::Value* irNode(llvm::IRBuilderBase& ir, const LoopExpr& e, std::span<llvm::Value* const> args, const Contract& contract) {
  if (e.kind == LoopExpr::Kind::Const) return constant(ir, e);
  QUERN_CHECK_FOR(e.kind == LoopExpr::Kind::Op, "a node that is no value of values");
  switch (e.op) {
    case LoopOp::Neg:
    case LoopOp::Abs:
    case LoopOp::Sqrt: return unary(ir, e, args[0]);
    case LoopOp::ToF32:
    case LoopOp::ToF64:
    case LoopOp::ToI32:
    case LoopOp::ToI64:
    case LoopOp::BitsF32:
    case LoopOp::BitsI32:
    case LoopOp::HalfF32:
    case LoopOp::F32Half: return cast(ir, e, args[0]);
    case LoopOp::TruncI32:
    case LoopOp::TruncI64: return truncated(ir, e, args[0], contract.isa());
    case LoopOp::Fma: return ir.CreateIntrinsic(llvm::Intrinsic::fma, {args[0]->getType()}, {args[0], args[1], args[2]});
    case LoopOp::Select: return ir.CreateSelect(args[0], args[1], args[2]);
    case LoopOp::Broadcast: return ir.CreateVectorSplat(static_cast<unsigned>(e.type.lanes), args[0]);
    case LoopOp::Mask: return mask(ir, e, args[0]);
    case LoopOp::ReduceAdd: return reduce(ir, e, LoopOp::Add, args[0]);
    case LoopOp::ReduceMax: return reduce(ir, e, LoopOp::Max, args[0]);
    case LoopOp::ReduceMin: return reduce(ir, e, LoopOp::Min, args[0]);
    case LoopOp::Shuffle: return shuffle(ir, e, args[0], args[1]);
    case LoopOp::Lookup: return lookup(ir, e, args[0], contract);
    case LoopOp::LookupBytes: return lookupBytes(ir, e, args[0], contract.isa());
    case LoopOp::BytesU8:
    case LoopOp::BytesI8:
    case LoopOp::BytesU7:
    case LoopOp::BytesS7: return bytesOf(ir, e, args[0]);
    case LoopOp::FmaFlushed: return flushedFma(ir, contract.isa(), args[0], args[1], args[2]);
    case LoopOp::AddFlushed: return FlushedMaths(ir).add(args[0], args[1]);
    case LoopOp::DotPairs: return dotPairs(ir, e, args, contract);
    case LoopOp::Dot4: return dot4(ir, e, args, contract);
    case LoopOp::ShortDots: return dotsInHalves(ir, e, args[0], args[1], contract.isa());
    case LoopOp::AddHalves: {
      int lanes = e.type.lanes;
      return ir.CreateBitCast(ir.CreateAdd(halvesOf(ir, args[0], lanes), halvesOf(ir, args[1], lanes)), inLanes(ir.getInt32Ty(), lanes));
    }
    case LoopOp::SumHalves: return sumHalves(ir, e, args[0], args[1], contract.isa());
    default: return binary(ir, e, args[0], args[1]);
  }
}

}  // namespace quern
