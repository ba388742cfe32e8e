// compiler/codegen/TileIr.cpp — see TileIr.h.
#include "compiler/codegen/TileIr.h"

#include "compiler/base/Check.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/Module.h>

#include <array>

namespace quern {

/// LDTILECFG's operand: byte 0 the palette, 16-bit bytes of a row from byte 16 on, rows from byte 48 on; tiles that are not said have none.
static std::array<uint8_t, 64> configuration(const std::vector<TileShape>& shapes) {
  constexpr size_t kRowBytes = 16, kRows = 48;
  std::array<uint8_t, 64> bytes{1};
  for (size_t i = 0; i < shapes.size(); ++i) {
    bytes[kRowBytes + 2 * i] = static_cast<uint8_t>(4 * shapes[i].words);
    bytes[kRows + i] = static_cast<uint8_t>(shapes[i].rows);
  }
  return bytes;
}

static llvm::Intrinsic::ID instructionOf(TileDot dot) {
  return dot == TileDot::Pairs ? llvm::Intrinsic::x86_tdpbf16ps : llvm::Intrinsic::x86_tdpbsud;
}

void TileIr::configure(const std::vector<TileShape>& shapes) {
  std::array<uint8_t, 64> bytes = configuration(shapes);
  llvm::Constant* data = llvm::ConstantDataArray::get(ir_.getContext(), llvm::ArrayRef<uint8_t>(bytes));
  llvm::Module* module = ir_.GetInsertBlock()->getModule();
  llvm::GlobalVariable* config = nullptr;
  for (llvm::GlobalVariable& known : module->globals())
    if (known.hasInitializer() && known.getInitializer() == data) config = &known;
  if (config == nullptr) {
    config = new llvm::GlobalVariable(*module, data->getType(), true, llvm::GlobalValue::PrivateLinkage, data, "tiles");
    config->setAlignment(llvm::Align(64));
    config->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
  }
  ir_.CreateIntrinsic(ir_.getVoidTy(), llvm::Intrinsic::x86_ldtilecfg, {config});
}

void TileIr::emit(const LoopStmt& s, llvm::Value* at, llvm::Value* stride) {
  auto call = [&](llvm::Intrinsic::ID instruction, std::initializer_list<llvm::Value*> more) {
    std::vector<llvm::Value*> args;
    for (int tile : s.tiles) args.push_back(ir_.getInt8(static_cast<uint8_t>(tile)));
    args.insert(args.end(), more);
    ir_.CreateIntrinsic(ir_.getVoidTy(), instruction, args);
  };
  auto bytes = [&] { return ir_.CreateShl(stride, uint64_t{2}); };
  switch (s.kind) {
    case LoopStmt::Kind::TileZero: return call(llvm::Intrinsic::x86_tilezero, {});
    case LoopStmt::Kind::TileLoad: return call(llvm::Intrinsic::x86_tileloadd64, {at, bytes()});
    case LoopStmt::Kind::TileStore: return call(llvm::Intrinsic::x86_tilestored64, {at, bytes()});
    case LoopStmt::Kind::TileDot: return call(instructionOf(s.dot), {});
    default: QUERN_CHECK_FOR(false, "no statement of tiles");
  }
}

void TileIr::release() { ir_.CreateIntrinsic(ir_.getVoidTy(), llvm::Intrinsic::x86_tilerelease, {}); }

}  // namespace quern
