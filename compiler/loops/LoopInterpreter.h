// compiler/loops/LoopInterpreter.h — runs a loop program without LLVM, bit for bit as the native code does, and holds
// every access against its buffer's shape.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/loops/LoopProgram.h"

#include <span>

namespace quern {

/// What QuernArgs binds: the caller's buffers (In, Out, InOut, Packed, in program order), dimensions and strides.
struct LoopArgs {
  std::vector<void*> buffers;
  std::vector<int64_t> dims;
  std::vector<int64_t> strides;
};

/// Runs all phases, tasks in ascending order. Scratch is allocated here and filled with NaN.
/// Numeric  f32 arithmetic in round-to-nearest, fma fused; NaN payloads are not promised.
/// Errors   BadInput: an access outside its shape (buffer, index, shape), a division by zero.
Result<void> interpret(const LoopProgram& program, const LoopArgs& args);

}  // namespace quern
