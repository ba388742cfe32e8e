// compiler/jit/Jit.h — object -> callable, through ORC and JITLink. No LLVM type shows here.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/schedule/QuernArgs.h"

#include <memory>
#include <string>

namespace quern {

/// Linked code; the memory goes when the last copy does.
struct JitCode {
  QuernKernel* entry = nullptr;
  std::shared_ptr<void> owner;
};

/// Links a kernel object of this machine's architecture. Nothing of the process is visible to it.
/// Errors   Internal: what JITLink said. Threads: may be called from any.
Result<JitCode> linkObject(const std::string& object, const std::string& symbol);

}  // namespace quern
