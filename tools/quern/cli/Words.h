// tools/quern/cli/Words.h — what a command's words and common flags name: ops, suites, targets, libraries, kernels.
#pragma once

#include "compiler/jit/KernelLibrary.h"
#include "compiler/op/OpFile.h"
#include "tools/quern/cli/CommandLine.h"
#include "tools/quern/cli/Interrupt.h"
#include "tools/quern/cli/Output.h"

namespace quern {

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

/// Errors   Machine where `copies` times the op's operands are more than the machine's memory. All dimensions known.
Result<void> checkMemory(const OpDesc& op, double copies);

}  // namespace quern
