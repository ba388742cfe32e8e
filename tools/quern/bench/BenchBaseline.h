// tools/quern/bench/BenchBaseline.h — the recorded workloads, run as recorded: every row and model of a baseline file.
#pragma once

#include "compiler/jit/KernelLibrary.h"
#include "tools/quern/bench/BenchRow.h"

#include <functional>

namespace quern {

struct BaselineRun {
  std::vector<BenchRow> rows;
  RecordFile record;               ///< the same rows with our figures in the column "run"
  std::vector<std::string> wrong;  ///< check values that do not hold
};

/// Ceilings that a row goes through are measured again. Errors: what parsing, compiling or the cache say.
Result<BaselineRun> benchBaseline(KernelLibrary& library, const RecordFile& baseline, Ceilings& ceilings, const BenchSettings& settings);

/// What the figures mean: printed under the table.
std::string baselineFooter(const RecordFile& baseline, const BaselineRun& run, const Target& target);

}  // namespace quern
