// tools/quern/cli/Output.h — results to stdout or a file, remarks and progress to people.
#pragma once

#include "tools/quern/cli/CommandLine.h"

#include <string>
#include <string_view>

namespace quern {

/// Writes to stdout at once. A reader that went away ends the program quietly. Errors: Machine: a full disk.
Result<void> writeOut(std::string_view text);
/// Writes results: to stdout, quietly ending where nobody reads any more; or to `file` whole.
Result<void> writeResult(const std::string& text, const std::string& file = "");

/// Whether writeResult will find a place for `file`: asked before work that takes long. Errors: Machine, as writeResult's.
Result<void> checkResultFile(const std::string& file);

/// A warning where a thread that only computed had less than a core: others run on all of them. `so`: what that means here.
void sayIfBusy(double coreShare, const std::string& so);

/// Progress goes to people: not with --quiet, not into files and pipes.
bool wantsProgress(const CommandLine& line);

}  // namespace quern
