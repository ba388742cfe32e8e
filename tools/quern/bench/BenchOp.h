// tools/quern/bench/BenchOp.h — one op timed on operands of its own, beside its default schedule.
#pragma once

#include "runtime/ThreadPool.h"
#include "tools/quern/bench/BenchRow.h"
#include "tools/quern/cli/Words.h"
#include "tools/quern/bench/Peers.h"

namespace quern {

struct OpBenchSettings {
  const CommandLine& line;         ///< --schedule, --loops
  Ceilings& ceilings;              ///< raised where an op goes through them
  const std::vector<Peer>& peers;  ///< of --against
  ThreadPool& pool;                ///< calls that are worth sharing run on all of it, others on the calling thread
  Stop stop;
};

/// Warm calls, alternating with the default schedule's, then with each peer's; run-time dimensions are 64 each.
/// Errors   what choosing and compiling say; Stopped; Machine where the operands need more memory than there is.
Result<BenchRow> benchOp(KernelLibrary& library, const OpEntry& entry, const OpBenchSettings& settings);

}  // namespace quern
