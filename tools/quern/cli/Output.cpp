// tools/quern/cli/Output.cpp — see Output.h.
#include "tools/quern/cli/Output.h"

#include "compiler/base/Files.h"
#include "compiler/base/Log.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <unistd.h>

namespace quern {

Result<void> writeOut(std::string_view text) {
  if (text.empty() || (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)) return {};
  int why = errno;
  if (why == EPIPE) std::_Exit(0);  // `| head`: nobody reads any more
  return machineLacks(fmt::format("stdout: cannot write: {}", std::strerror(why)));
}

Result<void> writeResult(const std::string& text, const std::string& file) {
  return file.empty() || file == "-" ? writeOut(text) : writeFileAtomically(file, text);
}

void sayIfBusy(double coreShare, const std::string& so) {
  constexpr double kAlone = 0.93;  // interrupts and the like take a percent or two
  if (coreShare < kAlone)
    logWarning(fmt::format("other programs run on every core, this one had {:.0f} % of one: {}", 100 * coreShare, so));
}

bool wantsProgress(const CommandLine& line) { return !line.has("quiet") && ::isatty(STDERR_FILENO) != 0; }

}  // namespace quern
