// compiler/store/PerfFiles.h — kernels as perf knows them: a map of names, and a dump of code.
#pragma once

#include "compiler/store/DebuggerNames.h"

namespace quern {

/// With QUERN_PERF_MAP=1 in the environment: a line of /tmp/perf-PID.map, "START BYTES NAME", where perf and others look for what code
/// without a file is called; and a record of /tmp/jit-PID.dump with the code itself, which `perf inject --jit` makes object files of, for
/// `perf annotate` (record with `-k mono`). A process's first kernel replaces what an earlier one of its number left. A file that cannot
/// be written is warned of once.
/// Source   linux/tools/perf/Documentation: jit-interface.txt, jitdump-specification.txt.
void nameForPerf(const NamedCode& named);

}  // namespace quern
