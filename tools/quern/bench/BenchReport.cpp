// tools/quern/bench/BenchReport.cpp — see BenchReport.h.
#include "tools/quern/bench/BenchReport.h"

#include "compiler/base/Clock.h"
#include "compiler/base/Text.h"
#include "compiler/target/UsableCpus.h"
#include "tools/quern/cli/Interrupt.h"
#include "tools/quern/cli/ModelOpen.h"
#include "tools/quern/cli/ModelRun.h"
#include "tools/quern/cli/Output.h"

#include <cstdio>
#include <fmt/format.h>

namespace quern {

static void showProgress(const std::string& what, size_t done, size_t all, double started) {
  double spent = nowSeconds() - started;
  double left = done == 0 ? 0 : spent / static_cast<double>(done) * static_cast<double>(all - done);
  std::fprintf(stderr, "\r\033[K[%zu/%zu] %s%s", done + 1, all, what.c_str(),
               done == 0 ? "" : fmt::format(", {:.0f} s left", left).c_str());
}

CommandLine& modelBenchFlags(CommandLine& line) {
  modelFlag(line, "prefill and decode of a model, or an encoder's vectors: a .gguf file, a folder, or a name in configs/models")
      .value("prefill", "N", "512", "prompt tokens of the pp row")
      .value("decode", "N", "128", "tokens of the tg row")
      .value("depth", "N", "0", "positions in the cache before either");
  return computeFlags(line).value("kv", "TYPE", "",
                                  "what the model's KV cache keeps: f32, f16, bf16 or q8 (heads of a multiple of 32) (default f32, or the "
                                  "bundle's)");
}

Result<ModelBenchPlan> modelPlanOf(const CommandLine& line, const BundleArithmetic* bundled) {
  ModelBenchPlan plan;
  for (auto [flag, into] : {std::pair{"prefill", &plan.prefill}, {"decode", &plan.decode}, {"depth", &plan.depth}}) {
    auto count = line.number(flag, 0, 1 << 24);
    if (!count) return count.error();
    *into = *count;
  }
  if (plan.prefill == 0 && plan.decode == 0) return badCommand("bench: --prefill 0 and --decode 0 leave nothing to time");
  auto kvType = kvTypeOf(line, bundled);
  if (!kvType) return badCommand("bench: " + kvType.error().message);
  plan.kvType = *kvType;
  return plan;
}

Result<void> checkPlan(const CommandLine& line, const ModelBenchPlan& plan, const ModelSource& source) {
  for (const char* flag : {"prefill", "decode", "depth", "kv"})
    if (source.config.encoder && line.has(flag))
      return badCommand(
          fmt::format("bench: --{} is of models that go on with texts; {} is an encoder", flag, escapedShort(line.get("model"))));
  return checkKvType(source, plan.kvType);
}

Result<BenchSettings> benchSettingsOf(const CommandLine& line) {
  auto threads = line.number("threads", 0, 1024);
  if (!threads) return threads.error();
  BenchSettings settings;
  settings.threads = *threads == 0 ? usableCpus() : static_cast<int>(*threads);
  settings.schedule = line.get("schedule");
  settings.stop = interruption();
  if (wantsProgress(line))
    settings.progress = [started = nowSeconds()](const std::string& what, size_t done, size_t all) {
      showProgress(what, done, all, started);
    };
  return settings;
}

std::string ceilingsText(const Ceilings& ceilings) {
  std::string arithmetic = fmt::format("{:.4g} GFLOPS fma", ceilings.fmaGflops);
  if (ceilings.dotGops > 0) arithmetic += fmt::format(", {:.4g} GOPS dots of bytes", ceilings.dotGops);
  if (ceilings.pairGflops > 0) arithmetic += fmt::format(", {:.4g} GFLOPS pairs of bf16", ceilings.pairGflops);
  if (ceilings.tileGflops > 0)
    arithmetic += fmt::format(", {:.4g} GFLOPS tiles of bf16, {:.4g} GOPS of bytes{}", ceilings.tileGflops, ceilings.tileGops,
                              ceilings.slowTiles > 0 ? fmt::format(" ({:.2f} of that at their slower speed)", ceilings.slowTiles) : "");
  return fmt::format("\nceilings of this run, one thread: {}; read L1 {:.4g}, L2 {:.4g}, L3 {:.4g}, memory {:.4g} GB/s\n", arithmetic,
                     ceilings.readGBs[0], ceilings.readGBs[1], ceilings.readGBs[2], ceilings.readGBs[3]);
}

Result<void> reportRows(const CommandLine& line, const std::vector<BenchRow>& rows, const Ceilings& ceilings, const Target& target,
                        int threads, const std::string& footer) {
  if (line.has("json")) {
    Json list = Json::array();
    for (const BenchRow& row : rows) list.push_back(jsonOf(row));
    Json json = {{"machine", {{"cpu", target.name}, {"model", target.model}, {"level", target.level}, {"threads", threads}}},
                 {"ceilings", jsonOf(ceilings)},
                 {"rows", list}};
    if (auto good = writeResult(jsonText(json), line.get("json")); !good) return good;
  }
  if (line.get("json") == "-") return {};
  return writeResult(tableOf(rows) + footer);
}

}  // namespace quern
