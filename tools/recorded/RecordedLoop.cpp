// tools/recorded/RecordedLoop.cpp — see RecordedLoop.h.
#include "tools/recorded/RecordedLoop.h"

#include "tools/recorded/DotNetRandom.h"
#include "tools/recorded/NamedModel.h"
#include "tools/recorded/RecordedModels.h"
#include "tuner/measure/Timing.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

Result<std::unique_ptr<RecordedLoop>> RecordedLoop::make(const RecordModel& record, int32_t seed, KernelLibrary& library,
                                                         const std::string& schedule, int threads) {
  std::unique_ptr<RecordedLoop> loop(new RecordedLoop(record, library, schedule));
  auto config = configOf(record, seed);
  if (!config) return config.error();
  KernelProvider kernels = [&library, schedule](const OpDesc& op) { return library.kernels(op, schedule); };
  if (auto ready = loop->kernelsMs(library); !ready) return ready.error();  // compiling is cold's, not create's
  double start = nowSeconds();
  ModelOptions options;
  options.threads = threads;
  auto model = Session::load(randomModel(*config), kernels, options);
  if (!model) return model.error();
  loop->createMs_ = (nowSeconds() - start) * 1e3;
  loop->model_ = std::move(*model);
  loop->parameters_ = loop->model_->model().source().weights.elements();
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

void RecordedLoop::run(bool cached) {
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

Result<double> RecordedLoop::kernelsMs(KernelLibrary& from) const {
  auto config = configOf(record_, seed_);
  if (!config) return config.error();
  auto workload = workloadOf(randomModel(*config, false), record_.prompt);
  if (!workload) return workload.error();
  double start = nowSeconds();
  for (const WorkloadItem& item : workload->items) {
    auto choice = library_.choose(item.op, schedule_);
    if (!choice) return choice.error();
    auto kernels = from.kernels(item.op, *choice);
    if (!kernels) return kernels.error();
  }
  return (nowSeconds() - start) * 1e3;
}

Result<double> RecordedLoop::leastNs(bool cached, const Ceilings& ceilings) const {
  auto cost = ForwardCost::of(model_->model().source());
  if (!cost) return cost.error();
  double reading = ceilings.readGBs[ceilings.levelOf(model_->model().decodeBytes())];
  if (!(ceilings.fmaGflops > 0 && reading > 0)) return 0.0;
  double sum = 0;
  for (int64_t step = 0; step < record_.steps; ++step) {
    bool one = cached && step > 0;
    int64_t rows = one ? 1 : record_.prompt + (cached ? 0 : step), past = one ? record_.prompt + step - 1 : 0;
    double bytes = model_->model().decodeBytes() + model_->model().cacheBytes(past);
    sum += std::max(cost->flops({rows, past, rows}) / ceilings.fmaGflops, bytes / reading);
  }
  return sum / threads_;
}

}  // namespace quern
