// tools/quern/bench/BenchRecorded.cpp — see BenchRecorded.h.
#include "tools/quern/bench/BenchRecorded.h"

#include "tools/quern/bench/Allocations.h"

#include <fmt/format.h>

namespace quern {

static constexpr int kFreshLoops = 20;

Result<BenchRow> benchRecorded(RecordedLoop& loop, bool cached, const KernelLibrary& library, const Ceilings& ceilings, const Stop& stop) {
  const RecordModel& record = loop.record();
  BenchRow row;
  row.id = record.id + (cached ? "-kv" : "");
  row.op = fmt::format("{} forwards of {} to {} rows", record.steps, cached ? 1 : record.prompt,
                       cached ? record.prompt : record.prompt + record.steps - 1);
  row.cpu = library.target().name;
  row.threads = loop.threads();
  row.cacheState = "hot";
  row.scheduleFrom = "tuned or default";
  if (!cached) row.recordedMs = record.ms;
  int64_t before = allocatedBytes();
  loop.run(cached);
  row.allocatedBytes = allocatedBytes() - before;
  std::vector<double> loops;
  for (int i = 0; i < kFreshLoops && !stop.asked(); ++i) {
    double start = nowSeconds();
    loop.run(cached);
    loops.push_back((nowSeconds() - start) * 1e3);
  }
  Spread spread = spreadOf(loops);
  auto steps = static_cast<double>(record.steps);
  row.scopeMs = spread.median;
  row.warmNs = {spread.median * 1e6 / steps, spread.low * 1e6 / steps, spread.high * 1e6 / steps};
  row.tokensPerS = steps / (spread.median / 1e3);
  row.rate = *row.tokensPerS;
  row.rateUnit = "tokens/s";
  auto least = loop.leastNs(cached, ceilings);
  if (!least) return least.error();
  row.ceilingPercent = 100 * *least / (spread.median * 1e6);
  KernelLibrary empty(library.target(), {});
  auto compiling = loop.kernelsMs(empty);
  if (!compiling) return compiling.error();
  row.coldMs = *compiling + spread.median;
  if (library.cache().enabled()) {
    KernelLibrary filled(library.target(), library.cache().directories());
    auto loading = loop.kernelsMs(filled);
    if (!loading) return loading.error();
    row.firstMs = *loading + spread.median;
  }
  return row;
}

}  // namespace quern
