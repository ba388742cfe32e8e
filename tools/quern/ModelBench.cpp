// tools/quern/ModelBench.cpp — see ModelBench.h.
#include "tools/quern/ModelBench.h"

#include "compiler/base/Text.h"
#include "tools/quern/Allocations.h"
#include "tools/quern/ModelRun.h"

#include <fmt/format.h>

namespace quern {

namespace {

constexpr double kSeconds = 2.0;

/// One model being timed.
class Bench {
public:
  Bench(Model& model, const ForwardCost& cost, const ModelBenchPlan& plan) : model_(model), cost_(cost), plan_(plan), logits_(static_cast<size_t>(model.config().vocab)) {
    for (int64_t i = 0; i < model.context(); ++i) ids_.push_back(static_cast<int32_t>(i * 7919 % model.config().vocab));
  }

  BenchRow row(bool prompt, const Ceilings& ceilings, double bytesPerSecond, int threads) {
    int64_t depth = std::min(plan_.depth, model_.context() - 1), asked = prompt ? plan_.prefill : plan_.decode, count = std::min(asked, model_.context() - depth);
    auto run = [&] { forward(prompt, depth, count); };
    BenchRow row;
    row.id = fmt::format("{}{}{}", prompt ? "pp" : "tg", count, depth > 0 ? fmt::format("@d{}", depth) : "");
    row.op = model_.config().name;
    row.threads = threads;
    row.scheduleFrom = "tuned or default";
    if (count < asked || depth < plan_.depth) row.note = fmt::format("cut to the context of {}", model_.context());
    if (depth > 0) (void)static_cast<bool>(model_.forward(std::span(ids_).first(static_cast<size_t>(depth)), 0, 0, nullptr));
    run();
    int64_t before = allocatedBytes();
    run();
    row.allocatedBytes = allocatedBytes() - before;
    row.warmNs = timeCall(run, kSeconds);
    row.tokensPerS = static_cast<double>(count) / (row.warmNs.median / 1e9);
    row.rate = *row.tokensPerS;
    row.rateUnit = "tokens/s";
    if (prompt) {
      row.ceilingPercent = 100 * cost_.flops({count, depth, 1}) / row.warmNs.median / ceilings.fmaGflops / threads;
      return row;
    }
    double positions = static_cast<double>(depth) + static_cast<double>(count) / 2;
    double bytes = model_.decodeBytes() + positions * model_.cacheBytesPerPosition();
    row.ceilingPercent = 100 * bytes * *row.tokensPerS / bytesPerSecond;
    return row;
  }

private:
  void forward(bool prompt, int64_t depth, int64_t count) {
    std::span<const int32_t> ids = std::span(ids_).subspan(static_cast<size_t>(depth), static_cast<size_t>(count));
    if (prompt) return (void)static_cast<bool>(model_.forward(ids, depth, 1, logits_.data()));
    for (int64_t i = 0; i < count; ++i) (void)static_cast<bool>(model_.forward(ids.subspan(static_cast<size_t>(i), 1), depth + i, 1, logits_.data()));
  }

  Model& model_;
  const ForwardCost& cost_;
  const ModelBenchPlan& plan_;
  std::vector<float> logits_;
  std::vector<int32_t> ids_;
};

}  // namespace

Result<std::vector<BenchRow>> benchModel(KernelLibrary& library, ModelSource source, const ModelBenchPlan& plan, const Ceilings& ceilings, const BenchSettings& settings) {
  ModelOptions options;
  options.threads = settings.threads;
  options.kvType = plan.kvType;
  auto cost = ForwardCost::of(source);
  if (!cost) return cost.error();
  auto model = Model::load(std::move(source), kernelsFor(library, settings.schedule), options);
  if (!model) return model.error();
  // What fits in a cache is read from there, by each thread.
  size_t level = ceilings.levelOf((*model)->decodeBytes());
  double bandwidth = 1e9 * (level == 3 ? memoryReadGBs(library.target(), settings.threads) : ceilings.readGBs[level] * settings.threads);
  Bench bench(**model, *cost, plan);
  std::vector<BenchRow> rows;
  for (bool prompt : {true, false}) {
    if ((prompt ? plan.prefill : plan.decode) == 0) continue;
    BenchRow row = bench.row(prompt, ceilings, bandwidth, settings.threads);
    row.cpu = library.target().name;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace quern
