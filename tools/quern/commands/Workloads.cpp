// tools/quern/commands/Workloads.cpp — see Workloads.h.
#include "tools/quern/commands/Workloads.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "compiler/op/OpFile.h"
#include "tools/recorded/Gradients.h"
#include "models/Model.h"
#include "tools/recorded/NamedModel.h"
#include "tools/recorded/RecordedModels.h"

#include <fmt/format.h>
#include <set>

namespace quern {

static WorkloadItem itemOf(const OpDesc& op, double priority) { return {op, usualDims(op), 1, CacheState::Hot, priority, {}, 1}; }

Workload opWorkload(const OpDesc& op) { return {text(op), {itemOf(op, 1)}}; }

Result<Workload> suiteWorkload(const std::string& nameOrPath) {
  auto path = findConfig("suites", nameOrPath);
  if (!path) return path.error();
  auto file = readOpFile(*path);
  if (!file) return file.error();
  Workload workload{file->name, {}};
  for (const OpEntry& entry : file->entries) workload.items.push_back(itemOf(entry.op, 1));
  return workload;
}

/// The ops of one row: its own, or those of its workload. Errors: BadInput naming row and field.
static Result<std::vector<OpDesc>> opsOf(const RecordRow& row) {
  auto size = [&](const char* name) { return row.sizes.count(name) != 0 ? row.sizes.at(name) : int64_t{0}; };
  if (row.workload == "op") {
    auto op = parseOp(row.op);
    if (!op) return badInput(fmt::format("{}: row '{}': {}", row.at, escaped(row.id), op.error().message));
    return std::vector<OpDesc>{*op};
  }
  bool sized = size("m") > 0 && size("k") > 0 && size("n") > 0;
  if (row.workload == "matmul-backward" && sized) return MatmulGradient::ops(size("m"), size("k"), size("n"));
  if (row.workload == "two-layer-step" && sized && size("h") > 0) {
    std::vector<OpDesc> ops = MatmulGradient::ops(size("m"), size("h"), size("n"));
    ops.push_back(MatmulGradient::ops(size("m"), size("k"), size("h"))[0]);
    return ops;
  }
  return badInput(fmt::format(
      "{}: row '{}': workload '{}' is not known or lacks sizes; known: op, matmul-backward (m, k, n), two-layer-step (m, k, h, n)", row.at,
      escaped(row.id), escaped(row.workload)));
}

/// Appends without repeating an op: the first, which has the higher priority, stays.
static void addOnce(Workload& workload, std::set<std::string>& seen, WorkloadItem item) {
  if (seen.insert(text(item.op)).second) workload.items.push_back(std::move(item));
}

/// A forward reads every weight once: those that the cache does not hold are read from memory, whatever one op's alone would do.
static void setCacheStates(Workload& forward, const Target& target) {
  auto weightBytes = [](const OpDesc& op) {
    double bytes = 0;
    for (const TensorSpec& spec : inputsOf(op))
      if (spec.weight) bytes += static_cast<double>(bytesOf(spec.type, spec.elements()));
    return bytes;
  };
  double all = 0;
  for (const WorkloadItem& item : forward.items) all += item.calls * weightBytes(fixed(item.op, item.sample));
  if (all <= static_cast<double>(target.l3Bytes)) return;
  for (WorkloadItem& item : forward.items)
    if (weightBytes(fixed(item.op, item.sample)) > 0) item.cacheState = CacheState::ColdWeights;
}

/// The recorded forwards run prompt .. prompt + steps - 1 rows, each as often: the first, the last and what is halfway between.
static void mixSteps(WorkloadItem& item, const RecordModel& model) {
  if (item.sample.empty() || model.steps < 2) return;
  for (int64_t rows : {model.prompt, model.prompt + model.steps / 2, model.prompt + model.steps - 1}) {
    SizePoint size{item.sample, 1};
    for (auto& [name, value] : size.dims) value = rows;
    if (item.sizes.empty() || text(item.sizes.back().dims) != text(size.dims)) item.sizes.push_back(std::move(size));
  }
}

Result<Workload> baselineWorkload(const std::string& nameOrPath, const Target& target) {
  auto path = findConfig("baselines", nameOrPath);
  if (!path) return path.error();
  auto record = readRecordFile(*path);
  if (!record) return record.error();
  Workload workload{record->name, {}};
  std::set<std::string> seen;
  auto longest = [](const Columns& ms) { return ms.count("baseline") != 0 ? ms.at("baseline") : ms.empty() ? 0 : ms.begin()->second; };
  for (const RecordModel& model : record->models) {
    auto config = configOf(model, record->seed);
    if (!config) return config.error();
    auto forward = workloadOf(randomModel(*config, false), model.prompt + model.steps - 1);
    if (!forward) return forward.error();
    for (WorkloadItem& item : forward->items) mixSteps(item, model);
    setCacheStates(*forward, target);
    for (WorkloadItem item : forward->items) {
      item.priority = longest(model.ms);
      addOnce(workload, seen, std::move(item));
    }
  }
  for (const RecordRow& row : record->rows) {
    auto ops = opsOf(row);
    if (!ops) return ops.error();
    for (const OpDesc& op : *ops) addOnce(workload, seen, itemOf(op, longest(row.ms)));
  }
  return workload;
}

Result<Workload> modelWorkload(const ModelSource& source, const Target& target, ElementType kvType) {
  // A prompt at the end of a long text: what is shorter has decisions of its own (tuner/SizeTable.h).
  int64_t positions = std::min(kUsualKeys, source.config.context), rows = std::min(kUsualRows, positions);
  auto forward = workloadOf(source, rows, positions - rows, kvType);
  if (forward) setCacheStates(*forward, target);
  return forward;
}

}  // namespace quern
