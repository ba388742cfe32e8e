// compiler/codegen/FloatState.h — the caller's floating-point state: traps are masked while a kernel runs, flags are as they were.
#pragma once

#include <string_view>

namespace llvm {
class IRBuilderBase;
class Value;
}  // namespace llvm

namespace quern {

/// What a kernel does first and last. Sums whose intermediates overflow are found by their result, after the fact; a caller who unmasked
/// such a trap is not stopped, and one who reads the flags finds those it had. MXCSR is read once and loaded back without asking whether it
/// changed: reading waits for all arithmetic before it, loading does not (Zen 3: 2.5 ns a call, with a read at the end 5 to 6).
///
/// The state is x86's; elsewhere nothing is done. LLVM's model of the instructions keeps arithmetic of the loops between the two ends;
/// there is none outside of them.
class FloatState {
public:
  /// At the end of the builder's block; the builder is then in the block that follows.
  FloatState(llvm::IRBuilderBase& ir, std::string_view arch);
  void restore();
  /// From here on, until unflush(): to nearest even, numbers below 2^-126 in size are 0, arguments and results.
  void flush();
  void unflush();

private:
  void load(llvm::Value* state);

  llvm::IRBuilderBase& ir_;
  llvm::Value* slot_ = nullptr;
  llvm::Value* before_ = nullptr;
};

}  // namespace quern
