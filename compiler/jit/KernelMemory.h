// compiler/jit/KernelMemory.h — where JITLink puts a kernel: CodePages, as the loader of cached kernels does. For Jit.cpp only.
#pragma once

#include "compiler/base/Result.h"

#include <functional>
#include <memory>

namespace llvm::jitlink {
class JITLinkMemoryManager;
}

namespace quern {

/// A memory manager whose failures are told to `failed` as well: ORC passes on that something failed, not what.
std::unique_ptr<llvm::jitlink::JITLinkMemoryManager> kernelMemory(std::function<void(Error)> failed);

}  // namespace quern
