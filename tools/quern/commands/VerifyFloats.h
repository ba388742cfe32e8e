// tools/quern/commands/VerifyFloats.h — `quern verify --exhaustive`: functions of one argument over every float there is.
#pragma once

#include "tools/quern/commands/Command.h"

namespace quern {

/// One table for all ops: a row for each level within --cpu, --cpu itself with the schedule chosen for it. The status of the command.
/// Errors   BadCommand: an op that is not such a function; --loops.
Result<int> verifyFloats(const std::vector<OpEntry>& entries, const CommandLine& line);

}  // namespace quern
