// tools/quern/commands/Cpu.cpp — `quern cpu`: what this CPU is.
#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "compiler/target/HostTarget.h"
#include "tools/quern/commands/Command.h"
#include "tools/quern/bench/BenchRow.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

static const CommandInfo kCpuInfo = {"cpu", "[--measure] [-o FILE.toml]",
                                     "what this CPU is: features (probed by running), caches, ceilings",
                                     "  quern cpu\n  quern cpu -o here.toml; quern show matmul m=8 n=8 k=8 --cpu here.toml\n"};

static Result<int> runCpu(std::vector<std::string> args) {
  CommandLine line(kCpuInfo, std::move(args));
  line.common({"cpu", "json"})
      .toggle("measure", "measures its ceilings with the level's instructions (a second)")
      .value("output", "FILE.toml", "", "writes the description as a file for --cpu", 'o');
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  if (!line.words().empty()) return badCommand("cpu: takes no words; --cpu NAME describes another CPU");
  auto target = findTarget(line.get("cpu"));
  if (!target) return target.error();
  bool isHost = line.get("cpu") == "host";
  std::vector<std::string> claimed = target->allFeatures();
  FeatureTrial trial = isHost ? tryFeatures() : FeatureTrial{};
  std::string out = fmt::format(
      "cpu       {}{}\nlevel     {} ({}-bit vectors, {} registers{})\nfeatures  {}\ncaches    L1 {}, L2 {}, L3 {}\n", target->name,
      target->model.empty() ? "" : " (" + target->model + ")", target->level, target->isa().vectorBits, target->isa().vectorRegisters,
      target->isa().fma ? ", fma" : "", join(claimed, " "), humanBytes(static_cast<double>(target->l1Bytes)),
      humanBytes(static_cast<double>(target->l2Bytes)), humanBytes(static_cast<double>(target->l3Bytes)));
  if (!trial.failed.empty()) out += fmt::format("reported but not executing: {}\n", join(trial.failed, " "));
  if (!trial.disabled.empty()) out += fmt::format("not enabled by the system: {}\n", join(trial.disabled, " "));
  if (!trial.untried.empty())
    out += fmt::format("not tried by running, as no process can be started ({}): what the CPU reports and the system enables\n",
                       trial.untried);
  Json json = {{"name", target->name},        {"model", target->model},      {"level", target->level},     {"features", claimed},
               {"l1_bytes", target->l1Bytes}, {"l2_bytes", target->l2Bytes}, {"l3_bytes", target->l3Bytes}};
  if (line.has("measure")) {
    std::vector<std::string> lacking = hostTarget().lackingFor(*target);
    if (!lacking.empty()) return machineLacks(fmt::format("--cpu {}: this machine lacks {}", target->name, join(lacking, ", ")));
    Stop interrupted = interruption();
    Ceilings ceilings = measureCeilings(*target, 1, interrupted);
    if (interrupted.asked()) return stoppedError("cpu --measure");
    sayIfBusy(ceilings.coreShare, "its ceilings are higher");
    json["ceilings"] = jsonOf(ceilings);
    out += fmt::format("fma       {:.4g} GFLOPS f32, one thread\n", ceilings.fmaGflops);
    if (ceilings.dotGops > 0) out += fmt::format("dots      {:.4g} GOPS of bytes\n", ceilings.dotGops);
    if (ceilings.pairGflops > 0) out += fmt::format("pairs     {:.4g} GFLOPS of bf16\n", ceilings.pairGflops);
    if (ceilings.tileGflops > 0)
      out += fmt::format("tiles     {:.4g} GFLOPS of bf16, {:.4g} GOPS of bytes{}\n", ceilings.tileGflops, ceilings.tileGops,
                         ceilings.slowTiles > 0 ? fmt::format("; {:.2f} of that at their slower speed", ceilings.slowTiles) : "");
    for (size_t level = 0; level < Ceilings::kLevels; ++level)
      out += fmt::format("{:<8}  read {:.4g} GB/s, copy {:.4g} GB/s\n", levelName(level), ceilings.readGBs[level], ceilings.copyGBs[level]);
  }
  if (line.has("output"))
    if (auto good = writeFileAtomically(line.get("output"), targetToml(*target)); !good) return good.error();
  if (line.has("json"))
    if (auto good = writeResult(jsonText(json), line.get("json")); !good) return good.error();
  if (line.get("json") != "-")
    if (auto good = writeResult(out); !good) return good.error();
  return 0;
}

Command cpuCommand() { return {kCpuInfo, runCpu}; }

}  // namespace quern
