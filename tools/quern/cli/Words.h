// tools/quern/cli/Words.h — what a command's words and common flags name: ops, suites, targets.
#pragma once

#include "compiler/op/OpFile.h"
#include "compiler/target/Target.h"
#include "tools/quern/cli/CommandLine.h"
#include "tools/quern/cli/Interrupt.h"
#include "tools/quern/cli/Output.h"

namespace quern {

/// Parses; prints help where it was asked for (then the Result holds false).
Result<bool> ready(CommandLine& line);

/// The op that the command's words spell: op text, FILE.toml (one op), or FILE.toml#ID. `shapes`, `types`: of eval's arrays.
Result<OpEntry> opFromWords(const std::vector<std::string>& words, std::span<const std::vector<int64_t>> shapes = {},
                            std::span<const ElementType> types = {});

/// The suite named by --suite.
Result<OpFile> readSuite(const std::string& nameOrPath);

/// --cpu; with `mustRun`, a CPU that this machine contains. Errors: Machine naming what is missing.
Result<Target> targetOf(const CommandLine& line, bool mustRun);

/// Errors   Machine where `copies` times the op's operands are more than the machine's memory. All dimensions known.
Result<void> checkMemory(const OpDesc& op, double copies);

}  // namespace quern
