// tools/quern-run/Bench.cpp — `quern-run bench`: prefill and decode of a model, or an encoder's vectors, on a bundle.
#include "tools/quern/bench/BenchReport.h"
#include "tools/quern/cli/Interrupt.h"
#include "tools/quern/cli/ModelRun.h"
#include "tools/quern/commands/Command.h"

#include <cstdio>

namespace quern {

static const CommandInfo kBenchInfo = {"bench", "--model M", "times a model's prompts and tokens, against this machine's ceilings",
                                       "  quern bench -m model.gguf --prefill 512 --decode 128\n"};

static Result<int> runBench(std::vector<std::string> args) {
  CommandLine line(kBenchInfo, std::move(args));
  kernelFlags(modelBenchFlags(line)).value("json", "FILE", "", "results as JSON; - is stdout");
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  auto settings = benchSettingsOf(line);
  if (!settings) return settings.error();
  auto opened = openModelToRun(line);
  if (!opened) return opened.error();
  ModelKernels& kernels = *opened->kernels;
  auto plan = modelPlanOf(line, kernels.bundled());
  if (!plan) return plan.error();
  if (auto good = checkPlan(line, *plan, opened->source); !good) return good.error();
  Ceilings ceilings = measureCeilings(kernels.target(), 1, settings->stop);
  auto provider = [&](const OpDesc& op) { return kernels.kernels(op); };
  auto rows = benchModel(provider, kernels.target(), std::move(opened->source), *plan, ceilings, *settings);
  if (!rows) return rows.error();
  for (BenchRow& row : *rows) holdAgainst(row, ceilings);
  if (auto good = reportRows(line, *rows, ceilings, kernels.target(), settings->threads, ceilingsText(ceilings)); !good)
    return good.error();
  if (!settings->stop.asked()) return 0;
  std::fprintf(stderr, "%s: interrupted: the rows above were measured\n", programInfo().name);
  return interruptedStatus();
}

Command benchCommand() { return {kBenchInfo, runBench}; }

}  // namespace quern
