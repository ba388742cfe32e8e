// compiler/store/PerfMap.h — names of kernels for profilers.
#pragma once

#include "compiler/schedule/KernelInfo.h"
#include "compiler/schedule/QuernArgs.h"

#include <string_view>

namespace quern {

/// With QUERN_PERF_MAP=1 in the environment: a line of /tmp/perf-PID.map, where perf and others look for what code without a file is
/// called, "START BYTES quern OP | SCHEDULE". The first line of a process replaces what an earlier one of its number left. Where the file
/// cannot be written that is warned of once.
void nameForPerf(const QuernKernel* entry, std::string_view object, const KernelInfo& info);

}  // namespace quern
