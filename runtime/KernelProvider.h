// runtime/KernelProvider.h — where a runtime's kernels come from: a bundle, the cache, or the cache with the JIT behind it.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/op/OpDesc.h"
#include "compiler/store/KernelSet.h"

#include <functional>

namespace quern {

/// Gives the kernels that run an op here. Called while a plan is made, never while it runs.
/// Errors   what the source says: no such kernel in a bundle, a schedule that does not compile.
using KernelProvider = std::function<Result<KernelSet>(const OpDesc& op)>;

}  // namespace quern
