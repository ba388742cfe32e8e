// compiler/codegen/ByteLookup.cpp — see ByteLookup.h.
#include "compiler/codegen/ByteLookup.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsAArch64.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <algorithm>
#include <vector>

namespace quern {

static constexpr int kTable = 16, kRegister = 128;

llvm::Value* lookupBytes(llvm::IRBuilderBase& ir, const LoopExpr& e, llvm::Value* words, const IsaLevel& isa) {
  int bits = 32 * e.type.lanes, count = 4 * e.type.lanes;
  std::vector<uint8_t> table;  // once in each 128 bits of a register
  for (int i = 0; i < std::max(count, kTable); ++i)
    table.push_back(static_cast<uint8_t>(static_cast<int>(e.table[static_cast<size_t>(i % kTable)])));
  llvm::Type* type = words->getType();
  llvm::Value* bytes = ir.CreateBitCast(words, llvm::FixedVectorType::get(ir.getInt8Ty(), static_cast<unsigned>(count)));
  bool whole = bits >= kRegister && bits <= isa.vectorBits && (bits & (bits - 1)) == 0;
  if (whole && isa.shortDots) {  // pshufb came with pmaddubsw
    auto shuffle = bits == 512   ? llvm::Intrinsic::x86_avx512_pshuf_b_512
                   : bits == 256 ? llvm::Intrinsic::x86_avx2_pshuf_b
                                 : llvm::Intrinsic::x86_ssse3_pshuf_b_128;
    return ir.CreateBitCast(ir.CreateIntrinsic(shuffle, {}, {llvm::ConstantDataVector::get(ir.getContext(), table), bytes}), type);
  }
  if (bits == kRegister && isa.arch == "aarch64") {  // tbl gives 0 from 16 on
    llvm::Value* within = ir.CreateAnd(bytes, llvm::ConstantInt::get(bytes->getType(), 0x8f));
    llvm::Value* entries = llvm::ConstantDataVector::get(ir.getContext(), table);
    return ir.CreateBitCast(ir.CreateIntrinsic(llvm::Intrinsic::aarch64_neon_tbl1, {bytes->getType()}, {entries, within}), type);
  }
  auto constant = [&](int value) { return llvm::ConstantInt::get(bytes->getType(), static_cast<uint64_t>(value & 0xff)); };
  llvm::Value *index = ir.CreateAnd(bytes, constant(0x8f)), *found = constant(0);
  for (int i = 0; i < kTable; ++i)
    if (int entry = table[static_cast<size_t>(i)]; entry != 0)
      found = ir.CreateOr(found, ir.CreateAnd(ir.CreateSExt(ir.CreateICmpEQ(index, constant(i)), bytes->getType()), constant(entry)));
  return ir.CreateBitCast(found, type);
}

}  // namespace quern
