// tools/quern/commands/Bench.cpp — `quern bench`: times ops, suites, and recorded workloads.
#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "compiler/jit/CodegenModule.h"
#include "compiler/target/UsableCpus.h"
#include "runtime/ThreadPool.h"
#include "tools/quern/bench/BenchBaseline.h"
#include "tools/quern/bench/BenchOp.h"
#include "tools/quern/bench/BenchPeers.h"
#include "tools/quern/bench/BenchReport.h"
#include "tools/quern/commands/Command.h"
#include "tools/quern/cli/Library.h"
#include "tools/quern/bench/ModelBench.h"
#include "tools/quern/cli/ModelOpen.h"
#include "tools/quern/cli/ModelRun.h"

#include <cstdio>
#include <fmt/format.h>

namespace quern {

static const CommandInfo kBenchInfo = {
    "bench", "OP|--suite FILE|--baseline FILE|--model M [--against PEERS] [--record OUT.toml]",
    "times ops, suites, models and recorded workloads, against this machine's ceilings",
    "  quern bench --baseline smallmind\n  quern bench matmul m=512 n=512 k=512 const=b\n"
    "  quern bench --suite transformer-f32 --json -\n  quern bench matmul m=512 n=512 k=512 --schedule default --schedule \"mr=6 "
    "nr=16\"\n  quern bench matmul m=128 n=768 k=768 const=b ep=bias --against "
    "onednn,openblas,blis,eigen --threads 1\n  quern bench softmax x=32x512 --against onednn --threads 1\n  quern bench --baseline "
    "smallmind --record run.toml; quern compare smallmind:baseline run.toml\n"};

namespace {

Result<std::vector<OpEntry>> entriesOf(const CommandLine& line) {
  if (line.has("suite")) {
    auto suite = readSuite(line.get("suite"));
    if (!suite) return suite.error();
    return std::move(suite->entries);
  }
  auto entry = opFromWords(line.words());
  if (!entry) return entry.error();
  return std::vector<OpEntry>{std::move(*entry)};
}

void addFlags(CommandLine& line) {
  line.common({"cpu", "cache", "bundle", "json", "threads"})
      .list("schedule", "TEXT",
            "\"mr=8 nr=48 ...\", default, or tuned (default: pinned, else tuned here, else default); twice: one against the other")
      .value("suite", "FILE", "", "every op of a suite")
      .value("baseline", "FILE", "", "the recorded workloads of a baseline");
  modelBenchFlags(line);
  line.value("record", "OUT.toml", "", "writes the run as a record for `quern compare` (with --baseline)")
      .value("loops", "FILE", "", "this loop program in place of the generated one");
  line.value("against", "PEERS", "",
             "other libraries in the same run (with an op or --suite): openblas, blis, eigen (matmul), onednn (also unary and binary maps, "
             "softmax, layernorm, reduce); tools/peers/install gets them");
}

/// Flags that do not go together.
Result<void> checkFlags(const CommandLine& line) {
  int kinds = (line.words().empty() ? 0 : 1) + line.has("suite") + line.has("baseline") + line.has("model");
  if (kinds != 1) return badCommand("bench: one of an op, --suite, --baseline and --model");
  for (const char* flag : {"prefill", "decode", "depth", "kv", "ignore-key", "compute", "order", "lora"})
    if (line.has(flag) && !line.has("model")) return badCommand(fmt::format("bench: --{} goes with --model", flag));
  if (size_t schedules = line.all("schedule").size(); schedules > 1) {
    if (schedules > 2) return badCommand(fmt::format("bench: --schedule is given {} times; two meet at a time", schedules));
    for (const char* flag : {"loops", "against", "suite", "baseline", "model"})
      if (line.has(flag)) return badCommand(fmt::format("bench: two schedules of one op meet; --{} does not go with that", flag));
  }
  if (line.has("loops") && line.words().empty()) return badCommand("bench: --loops goes with one op");
  if (line.has("record") && !line.has("baseline")) return badCommand("bench: --record goes with --baseline");
  if (line.has("against") && !line.has("suite") && line.words().empty()) return badCommand("bench: --against goes with an op or --suite");
  return {};
}

/// What is timed, read before anything is measured: what can be wrong with it is found first.
struct BenchInputs {
  std::vector<OpEntry> entries;
  std::optional<RecordFile> baseline;
  std::optional<ModelSource> model;
  ModelBenchPlan modelPlan;
  std::vector<std::string> against;
};

/// The flags' part of it; files are read by readFiles.
Result<BenchInputs> inputsOf(const CommandLine& line) {
  BenchInputs inputs;
  if (auto plan = modelPlanOf(line, nullptr); !plan) return plan.error();
  if (!line.has("against")) return inputs;
  auto names = peerNames(line.get("against"));
  if (!names) return names.error();
  inputs.against = std::move(*names);
  return inputs;
}

Result<void> readFiles(const CommandLine& line, const KernelLibrary& library, BenchInputs& inputs) {
  if (line.has("baseline")) {
    auto path = findConfig("baselines", line.get("baseline"));
    if (!path) return path.error();
    auto record = readRecordFile(*path);
    if (!record) return record.error();
    inputs.baseline = std::move(*record);
    auto api = codegenModule();  // loaded now, so that no row's cold figure pays for it
    return api ? Result<void>() : Result<void>(api.error());
  }
  if (line.has("model")) {
    auto source = openModelOf(line, library.bundledArithmetic());
    if (!source) return source.error();
    auto plan = modelPlanOf(line, library.bundledArithmetic());
    if (!plan) return plan.error();
    inputs.modelPlan = *plan;
    if (auto good = checkPlan(line, *plan, *source); !good) return good;
    inputs.model = std::move(*source);
    return {};
  }
  auto entries = entriesOf(line);
  if (!entries) return entries.error();
  inputs.entries = std::move(*entries);
  return {};
}

/// What was measured.
struct BenchOutcome {
  std::vector<BenchRow> rows;
  std::string footer;
  std::vector<std::string> wrong;  ///< of the recorded workloads: what does not agree with the recording
};

Result<std::vector<BenchRow>> benchOps(KernelLibrary& library, const std::vector<OpEntry>& entries, const CommandLine& line,
                                       const std::vector<Peer>& peers, Ceilings& ceilings, const BenchSettings& settings) {
  ThreadPool pool(settings.threads);
  OpBenchSettings opSettings{line, ceilings, peers, pool, settings.stop};
  std::vector<BenchRow> rows;
  for (size_t i = 0; i < entries.size() && !settings.stop.asked(); ++i) {
    if (settings.progress && entries.size() > 1) settings.progress(text(entries[i].op), i, entries.size());
    auto row = benchOp(library, entries[i], opSettings);
    if (!row && settings.stop.asked()) break;
    if (!row) return row.error();
    rows.push_back(std::move(*row));
  }
  return rows;
}

Result<BenchOutcome> measured(KernelLibrary& library, BenchInputs inputs, const CommandLine& line, Ceilings& ceilings,
                              const std::vector<Peer>& peers, const BenchSettings& settings) {
  if (inputs.baseline) {
    auto run = benchBaseline(library, *inputs.baseline, ceilings, settings);
    if (!run) return run.error();
    if (line.has("record"))
      if (auto good = writeFileAtomically(line.get("record"), text(run->record)); !good) return good.error();
    return BenchOutcome{run->rows, baselineFooter(*inputs.baseline, *run, library.target()), run->wrong};
  }
  auto provider = [&](const OpDesc& op) { return library.kernels(op, settings.schedule); };
  auto rows = inputs.model ? benchModel(provider, library.target(), std::move(*inputs.model), inputs.modelPlan, ceilings, settings)
                           : benchOps(library, inputs.entries, line, peers, ceilings, settings);
  if (!rows) return rows.error();
  std::string footer = ceilingsText(ceilings) + (inputs.entries.empty() ? "" : againstFooter(*rows));
  return BenchOutcome{std::move(*rows), std::move(footer), {}};
}

/// Two schedules of one op.
Result<int> runTwo(KernelLibrary& library, const OpEntry& entry, const CommandLine& line, const BenchSettings& settings) {
  ThreadPool pool(settings.threads);
  Ceilings none;
  library.stopWith(settings.stop);
  auto two = benchTwo(library, entry, line.all("schedule"), {line, none, {}, pool, settings.stop});
  if (!two) return two.error();
  if (line.has("json"))
    if (auto good = writeResult(jsonText(jsonOf(*two)), line.get("json")); !good) return good.error();
  if (line.get("json") != "-")
    if (auto good = writeResult(text(*two)); !good) return good.error();
  return 0;
}

}  // namespace

static Result<int> runBench(std::vector<std::string> args) {
  CommandLine line(kBenchInfo, std::move(args));
  addFlags(line);
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  if (auto good = checkFlags(line); !good) return good.error();
  auto inputs = inputsOf(line);
  if (!inputs) return inputs.error();
  auto settings = benchSettingsOf(line);
  if (!settings) return settings.error();
  auto library = libraryOf(line, true);
  if (!library) return library.error();
  if (auto good = readFiles(line, **library, *inputs); !good) return good.error();
  if (line.all("schedule").size() > 1) return runTwo(**library, inputs->entries.at(0), line, *settings);
  const Target& target = (*library)->target();
  std::vector<Peer> peers = loadPeers(inputs->against, target, settings->threads);
  (*library)->stopWith(settings->stop);
  Ceilings ceilings = measureCeilings(target, 1, settings->stop);
  sayIfBusy(ceilings.coreShare, "the figures below are lower than the machine's");
  auto outcome = measured(**library, std::move(*inputs), line, ceilings, peers, *settings);
  if (!outcome) return outcome.error();
  if (settings->progress) std::fprintf(stderr, "\r\033[K");
  for (BenchRow& row : outcome->rows) holdAgainst(row, ceilings);
  if (auto good = reportRows(line, outcome->rows, ceilings, target, settings->threads, outcome->footer); !good) return good.error();
  for (const std::string& message : outcome->wrong) std::fprintf(stderr, "quern: %s\n", message.c_str());
  if (settings->stop.asked()) {
    std::fprintf(stderr, "quern: interrupted: the rows above were measured\n");
    return interruptedStatus();
  }
  return outcome->wrong.empty() ? 0 : 1;
}

Command benchCommand() { return {kBenchInfo, runBench}; }

}  // namespace quern
