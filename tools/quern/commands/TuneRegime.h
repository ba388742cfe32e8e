// tools/quern/commands/TuneRegime.h — `tune --at --cache-state --threads`: the sizes, caches and threads that ops are tuned for.
#pragma once

#include "compiler/op/Workload.h"
#include "tools/quern/cli/CommandLine.h"
#include "tuner/Tuner.h"

namespace quern {

void regimeFlags(CommandLine& line);
/// What the flags say of the workload's items. Threads, where they do not say: those that a model will run with; 1 for all else.
/// Errors   BadCommand naming flag, value and what would be right.
Result<void> setRegime(const CommandLine& line, Workload& workload, TuneOptions& options);

}  // namespace quern
