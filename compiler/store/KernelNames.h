// compiler/store/KernelNames.h — names of kernels for debuggers and profilers.
#pragma once

#include "compiler/schedule/KernelInfo.h"
#include "compiler/schedule/QuernArgs.h"

#include <memory>
#include <string_view>

namespace quern {

/// Tells who asks what the code at `entry` is called, "quern OP | SCHEDULE", for as long as what this returns is there; it keeps `owner`.
///
///   GDB    always, by its JIT interface (DebuggerNames.h).
///   perf   with QUERN_PERF_MAP=1 in the environment: a line of /tmp/perf-PID.map and a record of /tmp/jit-PID.dump, which
///          `perf inject --jit` makes annotated code of (PerfFiles.h).
std::shared_ptr<void> named(const QuernKernel* entry, std::string_view object, const KernelInfo& info, std::shared_ptr<void> owner);

}  // namespace quern
