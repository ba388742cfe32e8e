// compiler/loops/ir/LoopInterpreter.h — runs a loop program without LLVM, bit for bit as the native code does, and holds
// every access against its buffer's shape.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/loops/ir/LoopProgram.h"

#include <span>

namespace quern {

/// What QuernArgs binds: the caller's buffers (In, Out, InOut, Packed, in program order), dimensions and strides.
struct LoopArgs {
  std::vector<void*> buffers;
  std::vector<int64_t> dims;
  std::vector<int64_t> strides;
  std::vector<int64_t> elements;  ///< that each buffer has, where the caller knows: no stride leads past them
};

/// Runs all phases, tasks in ascending order. Scratch is allocated here and filled with NaN.
/// Numeric  f32 arithmetic in round-to-nearest, fma fused; NaN payloads are not promised.
/// Errors   BadInput: an access outside its shape (buffer, index, shape) or memory, a division by zero, scratch above kMaxScratchElements.
Result<void> interpret(const LoopProgram& program, const LoopArgs& args);

/// The first `steps` operators and statements of it: what is wrong until there is found.
Result<void> interpretSome(const LoopProgram& program, const LoopArgs& args, int64_t steps);

inline constexpr int64_t kMaxScratchElements = int64_t{1} << 28;

}  // namespace quern
