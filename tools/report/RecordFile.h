// tools/report/RecordFile.h — recorded workloads and their figures: configs/baselines, and what `bench --record` writes.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/base/Toml.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace quern {

/// Figures by column: "baseline", "current", "best", or "run".
using Columns = std::map<std::string, double>;

/// One scope: what it runs, how it was recorded, what it must give. Field for field the `[[row]]` of a baseline file.
struct RecordRow {
  std::string at;  ///< "file:line:column"
  std::string id, category;
  std::string workload = "op";  ///< op, matmul-backward, two-layer-step
  std::string data = "uniform[-1,1)", draw = "separate";
  std::string op;
  int64_t calls = 1, warmup = 0;
  bool allocResult = false, inTotals = true;
  Columns ms, allocatedMib, samplesPerS;
  Columns otherFormMs;
  int64_t samplesPerCall = 0;
  std::map<std::string, double> checks;  ///< c00, sum, y0, max, min
  std::optional<double> targetGflops, unpooledMib, reductionTargetPercent, noisePercent;
  std::map<std::string, int64_t> sizes;  ///< m, k, n, h of workloads that are not one op
};

struct RecordModel {
  std::string at;  ///< "file:line:column"
  std::string id, workload = "full-forward", gelu = "sigmoid";
  int64_t steps = 0, prompt = 0, vocab = 0, context = 0, width = 0, layers = 0, heads = 0, parameters = 0;
  std::vector<double> promptIds;
  Columns createMs, ms, tokensPerS, allocatedMibPerToken;
  std::optional<double> arenaBytes, unsharedBytes;
};

struct RecordDerived {
  std::string id, category;
  std::vector<std::string> of;
  int64_t timedCalls = 0;
  Columns ms;
};

struct RecordFile {
  std::string file, name, machine, cpu;
  std::string ownColumn;  ///< of a file that --record wrote: "run"
  int32_t seed = 42;
  Columns runtimeMs, allocatedMib, runtimeMsDisjoint, allocatedMibDisjoint;  ///< totals as recorded
  Columns ceilings;  ///< fma_f32_gflops, read_l1_gbs ... of the recording machine, where known
  std::vector<RecordRow> rows;
  std::vector<RecordDerived> derived;
  std::vector<RecordModel> models;
};

/// Errors   BadInput "file:line:column".
Result<RecordFile> parseRecordFile(const TomlValue& root, const std::string& path);
Result<RecordFile> readRecordFile(const std::string& path);
/// As TOML; readRecordFile reads it back.
std::string text(const RecordFile& record);

}  // namespace quern
