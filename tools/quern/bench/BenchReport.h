// tools/quern/bench/BenchReport.h — what the `bench` commands of all programs share: flags of models, settings, how rows are given.
#pragma once

#include "tools/quern/bench/BenchRow.h"
#include "tools/quern/bench/ModelBench.h"
#include "tools/quern/cli/CommandLine.h"

namespace quern {

/// --model -m, --ignore-key, --prefill, --decode, --depth, --compute, --order, --kv.
CommandLine& modelBenchFlags(CommandLine& line);
/// `bundled`: as kvTypeOf's. Errors: BadCommand naming the flag.
Result<ModelBenchPlan> modelPlanOf(const CommandLine& line, const BundleArithmetic* bundled);
/// Whether what is asked goes with this model. Errors   BadCommand: flags of decoders for an encoder; as checkKvType.
Result<void> checkPlan(const CommandLine& line, const ModelBenchPlan& plan, const ModelSource& source);
/// --threads, --schedule; progress on a terminal.
Result<BenchSettings> benchSettingsOf(const CommandLine& line);

/// "ceilings of this run, ...", a line under the table.
std::string ceilingsText(const Ceilings& ceilings);
/// The rows as --json has it, and as a table with `footer` on stdout unless JSON goes there. Errors: Machine.
Result<void> reportRows(const CommandLine& line, const std::vector<BenchRow>& rows, const Ceilings& ceilings, const Target& target,
                        int threads, const std::string& footer);

}  // namespace quern
