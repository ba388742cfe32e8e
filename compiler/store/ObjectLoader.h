// compiler/store/ObjectLoader.h — kernel objects into memory without LLVM: cache hits and bundles run through this.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/schedule/QuernArgs.h"

#include <memory>
#include <string_view>

namespace quern {

/// Code that can be called while `owner` lives.
struct LoadedCode {
  QuernKernel* entry = nullptr;
  std::shared_ptr<void> owner;
};

/// Maps the object's sections writable, relocates, then makes them executable: never both at once.
/// Errors   BadInput: not of the artifact form, or of another architecture. Machine: the system refused the memory.
Result<LoadedCode> loadKernelObject(std::string_view object);

}  // namespace quern
