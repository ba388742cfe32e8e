// tools/quern/bench/BenchOp.h — one op timed on operands of its own, beside its default schedule.
#pragma once

#include "runtime/ThreadPool.h"
#include "tools/quern/bench/BenchRow.h"
#include "tools/quern/cli/Json.h"
#include "tools/quern/cli/Library.h"
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

/// Two schedules of one op on the same operands, in turn.
struct TwoSchedules {
  std::string op, cpu;
  std::array<std::string, 2> schedules;
  int threads = 1;
  PairTiming timing;  ///< ratio: the second's time over the first's
  /// "the second is faster", "the first is faster", "no difference": by the whole interval of the ratio.
  std::string_view verdict() const;
};
/// Errors   as benchOp; BadCommand: a schedule that the op cannot have.
Result<TwoSchedules> benchTwo(KernelLibrary& library, const OpEntry& entry, std::span<const std::string> schedules,
                              const OpBenchSettings& settings);
std::string text(const TwoSchedules& two);
Json jsonOf(const TwoSchedules& two);

}  // namespace quern
