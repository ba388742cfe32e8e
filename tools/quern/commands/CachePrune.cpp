// tools/quern/commands/CachePrune.cpp — see CachePrune.h.
#include "tools/quern/commands/CachePrune.h"

#include "compiler/store/Standing.h"
#include "compiler/target/HostTarget.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fmt/format.h>

namespace quern {

namespace {

constexpr double kDay = 86400;

/// "64M", "1.5G", "800000".
std::optional<int64_t> parseSize(const std::string& text) {
  char* end = nullptr;
  double number = std::strtod(text.c_str(), &end);
  std::string unit(end);
  double factor = unit.empty() ? 1 : unit == "K" ? 0x1p10 : unit == "M" ? 0x1p20 : unit == "G" ? 0x1p30 : 0;
  bool good = end != text.c_str() && std::isfinite(number) && number >= 0 && factor > 0 && number * factor < 0x1p62;
  return good ? std::optional(static_cast<int64_t>(number * factor)) : std::nullopt;
}

/// Why an entry goes whatever the others are; "": it does not.
std::string reason(const CacheFile& file, const PruneRules& rules, int64_t now) {
  if (!file.artifact) return "damaged";
  if (rules.otherGenerators && !isOwn(file.artifact->key)) return standingOf(*file.artifact, hostTarget()).text;
  if (rules.otherCpus && isOwn(file.artifact->key) && standingOf(*file.artifact, hostTarget()).kind != Standing::Exact)
    return "another CPU's";
  if (std::find(rules.wrongFiles.begin(), rules.wrongFiles.end(), file.path) != rules.wrongFiles.end()) return "wrong";
  double days = static_cast<double>(now - file.changedSeconds) / kDay;
  if (rules.olderThanDays && days > *rules.olderThanDays) return fmt::format("{:.0f} days old", days);
  return {};
}

}  // namespace

std::vector<Prunable> prunable(const std::vector<CacheFile>& files, const PruneRules& rules, int64_t now) {
  std::vector<Prunable> gone;
  std::vector<const CacheFile*> stay;
  int64_t left = 0;
  for (const CacheFile& file : files) {
    if (std::string why = reason(file, rules, now); !why.empty()) gone.push_back({file, std::move(why)});
    else stay.push_back(&file), left += file.bytes;
  }
  if (!rules.toBytes) return gone;
  auto older = [](const CacheFile* a, const CacheFile* b) { return a->changedSeconds < b->changedSeconds; };
  std::stable_sort(stay.begin(), stay.end(), older);
  for (const CacheFile* file : stay) {
    if (left <= *rules.toBytes) break;
    left -= file->bytes;
    gone.push_back({*file, "oldest"});
  }
  return gone;
}

CommandLine& pruneFlags(CommandLine& line) {
  return line.value("older-than", "DAYS", "", "prune: entries written longer ago")
      .value("to-size", "SIZE", "", "prune: the oldest, until the others have at most 64M, 1.5G ... together")
      .toggle("other-cpus", "prune: what this CPU cannot run, and what was made on another")
      .toggle("other-generators", "prune: what another version of this program made, which this one never finds (default)")
      .toggle("wrong", "prune: kernels that compute something else than their op: they are run, as cache verify does")
      .toggle("yes", "prune: remove what is shown");
}

Result<PruneRules> pruneRulesOf(const CommandLine& line) {
  PruneRules rules;
  if (line.has("older-than")) {
    char* end = nullptr;
    std::string given = line.get("older-than");
    double days = std::strtod(given.c_str(), &end);
    if (end == given.c_str() || *end != '\0' || !std::isfinite(days) || days < 0)
      return badCommand(fmt::format("--older-than {}: a number of days is needed, such as 30", escaped(given)));
    rules.olderThanDays = days;
  }
  if (line.has("to-size")) {
    rules.toBytes = parseSize(line.get("to-size"));
    if (!rules.toBytes) return badCommand(fmt::format("--to-size {}: a size such as 64M is needed", escaped(line.get("to-size"))));
  }
  rules.otherCpus = line.has("other-cpus");
  rules.wrong = line.has("wrong");
  rules.otherGenerators = line.has("other-generators") || !(rules.olderThanDays || rules.toBytes || rules.otherCpus || rules.wrong);
  return rules;
}

}  // namespace quern
