// tools/quern/cli/SamplerFlags.h — how a command's flags say that next tokens are drawn: what generate and chat share.
#pragma once

#include "models/Sampler.h"
#include "tools/quern/cli/CommandLine.h"

namespace quern {

/// --number -n, with `help`; --temp, --temperature, --top-k, --top-p, --min-p, --repeat-penalty, --repeat-last, --seed -s; --stop.
CommandLine& samplerFlags(CommandLine& line, const std::string& numberHelp);

/// Errors   BadCommand naming the flag and what is legal.
Result<SamplerOptions> samplerOf(const CommandLine& line);
/// -1 asks for a random one, as no --seed does.
bool seedGiven(const CommandLine& line);
/// --number; -1: no end but the text's and the context's. Errors: BadCommand.
Result<int64_t> numberOf(const CommandLine& line);
/// The texts of --stop. Errors: BadCommand: an empty one, or one of more than 4096 bytes.
Result<std::vector<std::string>> stopsOf(const CommandLine& line);

}  // namespace quern
