// tools/quern/cli/Output.cpp — see Output.h.
#include "tools/quern/cli/Output.h"

#include "compiler/base/Files.h"
#include "compiler/base/Log.h"
#include "compiler/base/Text.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
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

Result<void> checkResultFile(const std::string& file) {
  if (file.empty() || file == "-" || namedDescriptor(file)) return {};
  struct stat info{};
  bool there = ::stat(file.c_str(), &info) == 0;
  if (there && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) return {};  // a device or a pipe
  if (there && S_ISDIR(info.st_mode)) errno = EISDIR;
  std::string name;
  bool good = !(there && S_ISDIR(info.st_mode)) && createBeside(AT_FDCWD, file, 0600, name);
  if (!good) return machineLacks(fmt::format("{}: cannot write: {}", escaped(file), std::strerror(errno)));
  ::unlink(name.c_str());
  return {};
}

void sayIfBusy(double coreShare, const std::string& so) {
  constexpr double kAlone = 0.93;  // interrupts and the like take a percent or two
  if (coreShare < kAlone)
    logWarning(fmt::format("other programs run on every core, this one had {:.0f} % of one: {}", 100 * coreShare, so));
}

bool wantsProgress(const CommandLine& line) { return !line.has("quiet") && ::isatty(STDERR_FILENO) != 0; }

}  // namespace quern
