// tools/quern/Command.h — what every command's file offers to Main.cpp, and what commands share.
#pragma once

#include "compiler/jit/KernelLibrary.h"
#include "compiler/op/OpFile.h"
#include "tools/quern/CommandLine.h"
#include "tools/quern/Interrupt.h"

#include <functional>

namespace quern {

/// Exit statuses of INTERFACE: 0 done, 1 the answer is no; errors carry their own.
using CommandFn = Result<int> (*)(std::vector<std::string> args);

struct Command {
  CommandInfo info;
  CommandFn run;
};

const std::vector<Command>& commands();

/// Parses; prints help where it was asked for (then the Result holds false).
Result<bool> ready(CommandLine& line);

/// The op that the command's words spell: op text, FILE.toml (one op), or FILE.toml#ID. `shapes`: for eval.
Result<OpEntry> opFromWords(const std::vector<std::string>& words, std::span<const std::vector<int64_t>> shapes = {});

/// The suite named by --suite.
Result<OpFile> readSuite(const std::string& nameOrPath);

/// --cpu; with `mustRun`, a CPU that this machine contains. Errors: Machine naming what is missing.
Result<Target> targetOf(const CommandLine& line, bool mustRun);

/// The library for --cpu, --cache and --bundle.
Result<std::unique_ptr<KernelLibrary>> libraryOf(const CommandLine& line, bool mustRun);

/// --schedule, else the file's own, else pinned, tuned, default. Errors: BadInput for a file's.
Result<ScheduleChoice> chooseFor(const KernelLibrary& library, const OpEntry& entry, const CommandLine& line);

/// What an op runs with as the flags say it: a `--loops FILE`, tried out for `dims`, or the kernels of chooseFor.
/// Errors   as chooseFor, KernelLibrary::kernels, kernelsFromLoops.
Result<KernelSet> kernelsFor(KernelLibrary& library, const OpEntry& entry, const CommandLine& line, const DimValues& dims);

/// A warning where a thread that only computed had less than a core: others run on all of them. `so`: what that means here.
void sayIfBusy(double coreShare, const std::string& so);

/// Progress goes to people: not with --quiet, not into files and pipes.
bool wantsProgress(const CommandLine& line);

/// Errors   Machine where `copies` times the op's operands are more than the machine's memory. All dimensions known.
Result<void> checkMemory(const OpDesc& op, double copies);

/// Writes to stdout at once. A reader that went away ends the program quietly. Errors: Machine: a full disk.
Result<void> writeOut(std::string_view text);
/// Writes results: to stdout, quietly ending where nobody reads any more; or to `file` whole.
Result<void> writeResult(const std::string& text, const std::string& file = "");

Result<int> runOps(std::vector<std::string> args);
Result<int> runShow(std::vector<std::string> args);
Result<int> runEval(std::vector<std::string> args);
Result<int> runVerify(std::vector<std::string> args);
Result<int> runCpu(std::vector<std::string> args);
Result<int> runTune(std::vector<std::string> args);
Result<int> runCache(std::vector<std::string> args);
Result<int> runBench(std::vector<std::string> args);
Result<int> runCompare(std::vector<std::string> args);
Result<int> runEmit(std::vector<std::string> args);
Result<int> runInfo(std::vector<std::string> args);
Result<int> runGenerate(std::vector<std::string> args);
Result<int> runLogits(std::vector<std::string> args);
Result<int> runPerplexity(std::vector<std::string> args);
Result<int> runTokenize(std::vector<std::string> args);

extern const CommandInfo kOpsInfo, kShowInfo, kEvalInfo, kVerifyInfo, kCpuInfo, kTuneInfo, kCacheInfo, kBenchInfo, kCompareInfo, kEmitInfo,
    kInfoInfo, kTokenizeInfo, kGenerateInfo, kLogitsInfo, kPerplexityInfo;

}  // namespace quern
