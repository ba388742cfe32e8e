// tools/quern/cli/ModelOpen.h — the model that --model names, as --ignore-key has it read: what all commands on models share.
#pragma once

#include "models/ModelSource.h"
#include "tools/quern/cli/CommandLine.h"

namespace quern {

/// --model -m and --ignore-key. `help`: what M may be.
CommandLine& modelFlag(CommandLine& line, const std::string& help);
/// --compute and --order, of commands that run or compile a model's kernels; openModelOf heeds them.
CommandLine& computeFlags(CommandLine& line);

/// Errors   BadCommand: --ignore-key without --model, which would ignore nothing.
Result<void> checkModelFlag(const CommandLine& line);

/// Opens --model; what was passed over or ignored is said on stderr, and where --compute asks for rounding and rounds no product.
/// Errors   BadCommand: no --model; as openModel.
Result<ModelSource> openModelOf(const CommandLine& line);
/// The files alone, not described yet. Errors: as WeightFiles::open and ignoreKeys.
Result<WeightFiles> openFilesOf(const CommandLine& line);

}  // namespace quern
