// compiler/codegen/TileIr.h — matrix tiles in LLVM IR: AMX's own instructions, with the tiles' numbers that the program has.
#pragma once

#include "compiler/loops/ir/LoopProgram.h"

namespace llvm {
class IRBuilderBase;
class Value;
}  // namespace llvm

namespace quern {

/// The intrinsics that name tiles by number. LLVM knows no value of a tile then: it allocates, moves and spills none, and keeps their order
/// among each other and with all other memory. Nothing may be called while tiles live.
class TileIr {
public:
  explicit TileIr(llvm::IRBuilderBase& ir) : ir_(ir) {}

  /// Tiles 0, 1, ... of these shapes, all 0. What they are lies in the object's constants.
  void configure(const std::vector<TileShape>& shapes);
  /// A statement of tiles. Of those that meet memory: where it begins, and elements of 4 bytes between rows.
  void emit(const LoopStmt& s, llvm::Value* at, llvm::Value* stride);
  /// The processor has no tiles then.
  void release();

private:
  llvm::IRBuilderBase& ir_;
};

}  // namespace quern
