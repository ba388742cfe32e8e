// tools/quern/BenchRow.h — what `bench` measured of one row, and how it is printed.
#pragma once

#include "tools/quern/Json.h"
#include "tools/report/RecordFile.h"
#include "tuner/measure/Ceilings.h"
#include "tuner/measure/Timing.h"

#include <optional>

namespace quern {

struct BenchRow {
  std::string id, op, cpu, schedule, scheduleFrom, cacheState = "hot";
  int threads = 1;
  Spread warmNs;                         ///< one call (a model: one forward)
  double rate = 0;
  std::string rateUnit;                  ///< GFLOPS, GB/s, tokens/s
  double ceilingPercent = 0;
  std::optional<double> coldMs, firstMs, scopeMs;
  std::optional<double> tunedSpeedup;    ///< default's time over the schedule's in use
  Columns recordedMs;
  int64_t allocatedBytes = 0;
  std::optional<double> tokensPerS;
  std::string note;
};

Json jsonOf(const BenchRow& row);
Json jsonOf(const Ceilings& ceilings);
Columns columnsOf(const Ceilings& ceilings);

/// A table of all rows; recorded columns where any row has them.
std::string tableOf(const std::vector<BenchRow>& rows);

/// The rate that says most of an op: GFLOPS where arithmetic binds, GB/s where data moves.
void setRate(BenchRow& row, const OpDesc& op, const Ceilings& ceilings);

}  // namespace quern
