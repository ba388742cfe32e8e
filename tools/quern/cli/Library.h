// tools/quern/cli/Library.h — the kernels that a command's flags name: of programs that have a compiler.
#pragma once

#include "compiler/jit/KernelLibrary.h"
#include "tools/quern/cli/Words.h"

namespace quern {

/// The library for --cpu, --cache and --bundle.
Result<std::unique_ptr<KernelLibrary>> libraryOf(const CommandLine& line, bool mustRun);

/// --schedule, else the file's own, else pinned, tuned, default. Errors: BadInput for a file's.
Result<ScheduleChoice> chooseFor(const KernelLibrary& library, const OpEntry& entry, const CommandLine& line);

/// What an op runs with as the flags say it: a `--loops FILE`, tried out for `dims`, or the kernels of chooseFor.
/// Errors   as chooseFor, KernelLibrary::kernels, kernelsFromLoops.
Result<KernelSet> kernelsFor(KernelLibrary& library, const OpEntry& entry, const CommandLine& line, const DimValues& dims);

}  // namespace quern
