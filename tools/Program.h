// tools/Program.h — what a program of ours asks of its process, and how it ends.
#pragma once

#include "compiler/base/Result.h"

#include <functional>

namespace quern {

/// Runs `body` and gives the exit status: its own, or an error's, whose message goes to stderr behind `name`. A pipe that nobody reads and
/// a file-size limit are errors of a write, not signals; memory and threads that are not to be had are status 4; a small `ulimit -s` is
/// made up for.
int runProgram(const char* name, std::function<Result<int>()> body);

}  // namespace quern
