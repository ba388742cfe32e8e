// tools/quern/cli/Library.cpp — see Library.h.
#include "tools/quern/cli/Library.h"

#include "compiler/base/Log.h"
#include "compiler/base/Text.h"
#include "compiler/jit/LoopsKernel.h"

#include <fmt/format.h>

namespace quern {

Result<std::unique_ptr<KernelLibrary>> libraryOf(const CommandLine& line, bool mustRun) {
  auto target = targetOf(line, mustRun);
  if (!target) return target.error();
  std::vector<std::string> caches = cacheDirectories(line.get("cache"));
  if (mustRun && caches.empty() && line.get("cache").empty())
    logWarning("no cache: neither HOME nor XDG_CACHE_HOME is set, so kernels are compiled anew in every run; --cache DIR names a folder");
  auto library = std::make_unique<KernelLibrary>(std::move(*target), std::move(caches));
  if (line.has("bundle"))
    if (auto good = library->useBundle(line.get("bundle")); !good) return good.error();
  return library;
}

Result<ScheduleChoice> chooseFor(const KernelLibrary& library, const OpEntry& entry, const CommandLine& line) {
  if (line.has("schedule") || entry.schedule.empty()) return library.choose(entry.op, line.get("schedule"));
  auto choice = library.choose(entry.op, entry.schedule);
  if (!choice) return badInput(fmt::format("{}: op '{}': {}", entry.at, escaped(entry.id), choice.error().message));
  return choice;
}

Result<KernelSet> kernelsFor(KernelLibrary& library, const OpEntry& entry, const CommandLine& line, const DimValues& dims) {
  auto choice = chooseFor(library, entry, line);
  if (!choice) return choice.error();
  if (line.has("loops")) return kernelsFromLoops(line.get("loops"), entry.op, choice->schedule, library.target(), dims);
  return library.kernels(entry.op, *choice);
}

}  // namespace quern
