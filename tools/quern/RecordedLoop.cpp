// tools/quern/RecordedLoop.cpp — see RecordedLoop.h.
#include "tools/quern/RecordedLoop.h"

#include "models/DotNetRandom.h"
#include "tools/quern/Allocations.h"
#include "tools/quern/RecordedModels.h"

#include <fmt/format.h>

namespace quern {

static constexpr int kFreshLoops = 20;

Result<std::unique_ptr<RecordedLoop>> RecordedLoop::make(const RecordModel& record, int32_t seed, const std::string& file,
                                                         KernelLibrary& library, const std::string& schedule, int threads) {
  std::unique_ptr<RecordedLoop> loop(new RecordedLoop(record, library, schedule));
  auto config = configOf(record, seed, file);
  if (!config) return config.error();
  KernelProvider kernels = [&library, schedule](const OpDesc& op) -> Result<KernelRef> {
    auto choice = library.choose(op, schedule);
    if (!choice) return choice.error();
    return library.get(op, *choice);
  };
  if (auto ready = loop->kernelsMs(library); !ready) return ready.error();  // compiling is cold's, not create's
  double start = nowSeconds();
  ModelOptions options;
  options.threads = threads;
  auto model = Model::load(randomModel(*config), kernels, options);
  if (!model) return model.error();
  loop->createMs_ = (nowSeconds() - start) * 1e3;
  loop->model_ = std::move(*model);
  loop->parameters_ = loop->model_->source().weights.elements();
  loop->seed_ = seed;
  loop->threads_ = threads;
  loop->ids_.reserve(static_cast<size_t>(record.prompt + record.steps));
  loop->logits_.resize(static_cast<size_t>(config->context * config->vocab));
  return loop;
}

std::vector<std::string> RecordedLoop::wrong() const {
  std::vector<std::string> messages;
  if (parameters_ != record_.parameters)
    messages.push_back(fmt::format("model '{}': {} parameters, recorded {}", record_.id, parameters_, record_.parameters));
  DotNetRandom random(seed_);
  for (size_t i = 0; i < record_.promptIds.size(); ++i) {
    int32_t id = random.next(0, static_cast<int32_t>(record_.vocab));
    if (id != static_cast<int32_t>(record_.promptIds[i]))
      messages.push_back(fmt::format("model '{}': prompt id {} is {}, recorded {}", record_.id, i, id, record_.promptIds[i]));
  }
  return messages;
}

void RecordedLoop::loop(bool cached) {
  DotNetRandom random(seed_);
  ids_.clear();
  for (int64_t i = 0; i < record_.prompt; ++i) ids_.push_back(random.next(0, static_cast<int32_t>(record_.vocab)));
  int64_t past = 0;
  for (int64_t step = 0; step < record_.steps; ++step) {
    std::span<const int32_t> all(ids_), now = cached ? all.subspan(static_cast<size_t>(past)) : all;
    (void)static_cast<bool>(model_->forward(now, past, static_cast<int64_t>(now.size()), logits_.data()));
    if (cached) past = static_cast<int64_t>(ids_.size());
    ids_.push_back(random.next(0, static_cast<int32_t>(record_.vocab)));
  }
}

/// Milliseconds to get every kernel of the model from a library.
Result<double> RecordedLoop::kernelsMs(KernelLibrary& from) const {
  auto config = configOf(record_, seed_, record_.id);
  if (!config) return config.error();
  auto workload = workloadOf(randomModel(*config, false), record_.prompt);
  if (!workload) return workload.error();
  double start = nowSeconds();
  for (const WorkloadItem& item : workload->items) {
    auto choice = library_.choose(item.op, schedule_);
    if (!choice) return choice.error();
    auto kernel = from.get(item.op, *choice);
    if (!kernel) return kernel.error();
  }
  return (nowSeconds() - start) * 1e3;
}

Result<BenchRow> RecordedLoop::bench(bool cached, const Ceilings& ceilings) {
  BenchRow row;
  row.id = record_.id + (cached ? "-kv" : "");
  row.op = fmt::format("{} forwards of {} to {} rows", record_.steps, cached ? 1 : record_.prompt,
                       cached ? record_.prompt : record_.prompt + record_.steps - 1);
  row.cpu = library_.target().name;
  row.threads = threads_;
  row.cacheState = "hot";
  row.scheduleFrom = "tuned or default";
  if (!cached) row.recordedMs = record_.ms;
  int64_t before = allocatedBytes();
  loop(cached);
  row.allocatedBytes = allocatedBytes() - before;
  std::vector<double> loops;
  for (int i = 0; i < kFreshLoops; ++i) {
    double start = nowSeconds();
    loop(cached);
    loops.push_back((nowSeconds() - start) * 1e3);
  }
  Spread spread = spreadOf(loops);
  auto steps = static_cast<double>(record_.steps);
  row.scopeMs = spread.median;
  row.warmNs = {spread.median * 1e6 / steps, spread.low * 1e6 / steps, spread.high * 1e6 / steps};
  row.tokensPerS = steps / (spread.median / 1e3);
  row.rate = *row.tokensPerS;
  row.rateUnit = "tokens/s";
  auto cost = ForwardCost::of(model_->source());
  if (!cost) return cost.error();
  double flops = 0;
  for (int64_t step = 0; step < record_.steps; ++step) {
    int64_t rows = cached && step > 0 ? 1 : record_.prompt + (cached ? 0 : step), past = cached && step > 0 ? record_.prompt + step - 1 : 0;
    flops += cost->flops({rows, past, rows});
  }
  row.ceilingPercent = 100 * flops / (spread.median * 1e6) / ceilings.fmaGflops / threads_;
  KernelLibrary empty(library_.target(), {});
  auto compiling = kernelsMs(empty);
  if (!compiling) return compiling.error();
  row.coldMs = *compiling + spread.median;
  if (library_.cache().enabled()) {
    KernelLibrary filled(library_.target(), library_.cache().directories());
    auto loading = kernelsMs(filled);
    if (!loading) return loading.error();
    row.firstMs = *loading + spread.median;
  }
  return row;
}

}  // namespace quern
