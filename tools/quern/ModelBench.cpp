// tools/quern/ModelBench.cpp — see ModelBench.h.
#include "tools/quern/ModelBench.h"

#include "models/Gpt2.h"
#include "tools/quern/Allocations.h"

#include <fmt/format.h>
#include <numeric>

namespace quern {

Result<std::vector<BenchRow>> benchModel(KernelLibrary& library, const ModelConfig& config, int64_t prefill, int64_t decode, const Ceilings& ceilings, const BenchSettings& settings) {
  KernelProvider kernels = [&](const OpDesc& op) -> Result<KernelRef> {
    auto choice = library.choose(op, settings.schedule);
    if (!choice) return choice.error();
    return library.get(op, *choice);
  };
  auto model = Gpt2::make(config, randomGpt2Weights(config), kernels, settings.threads);
  if (!model) return model.error();
  std::vector<float> logits(static_cast<size_t>(config.context * config.vocab));
  std::vector<int32_t> ids(static_cast<size_t>(config.context));
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int32_t>(static_cast<int64_t>(i * 7919) % config.vocab);
  std::span<const int32_t> all(ids);
  std::vector<BenchRow> rows;
  for (bool prompt : {true, false}) {
    int64_t asked = prompt ? prefill : decode, count = std::min(asked, config.context);
    auto tokens = static_cast<size_t>(count);
    auto run = [&] {
      if (prompt) return (void)static_cast<bool>((*model)->forward(all.first(tokens), 0, logits.data()));
      for (size_t i = 0; i < tokens; ++i) (void)static_cast<bool>((*model)->forward(all.subspan(i, 1), static_cast<int64_t>(i), logits.data()));
    };
    BenchRow row;
    row.id = fmt::format("{}{}", prompt ? "pp" : "tg", count);
    row.op = config.name;
    row.cpu = library.target().name;
    row.threads = settings.threads;
    row.scheduleFrom = "tuned or default";
    if (count < asked) row.note = fmt::format("cut to the context of {}", config.context);
    run();
    int64_t before = allocatedBytes();
    run();
    row.allocatedBytes = allocatedBytes() - before;
    row.warmNs = timeCall(run, 1.0);
    row.tokensPerS = static_cast<double>(count) / (row.warmNs.median / 1e9);
    row.rate = *row.tokensPerS;
    row.rateUnit = "tokens/s";
    double flops = 0;
    for (int64_t i = 0; i < (prompt ? 1 : count); ++i)
      for (const WorkloadItem& item : gpt2Workload(config, prompt ? count : 1, prompt ? 0 : i).items) flops += item.calls * flopsOf(fixed(item.op, item.sample));
    row.ceilingPercent = 100 * flops / row.warmNs.median / ceilings.fmaGflops / settings.threads;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace quern
