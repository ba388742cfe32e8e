// tools/quern/commands/CachePrune.h — `quern cache prune`: which entries of a cache go, by what was asked.
#pragma once

#include "compiler/store/KernelCache.h"
#include "tools/quern/cli/CommandLine.h"

#include <optional>
#include <string>
#include <vector>

namespace quern {

/// What of a cache is not wanted any more. Damaged entries never are: they are misses.
struct PruneRules {
  std::optional<double> olderThanDays;  ///< written longer ago
  std::optional<int64_t> toBytes;       ///< the oldest, until the others have at most so many together
  bool otherCpus = false;               ///< that this CPU cannot run, or that were made on another
  bool otherGenerators = false;         ///< of another program's kernels, which this one never finds
  bool wrong = false;                   ///< that compute something else than their op: `wrongFiles`, found by running them
  std::vector<std::string> wrongFiles;
};

/// An entry that goes, and why: "damaged", "another generator's", "another CPU's", "wrong", "41 days old", "oldest".
struct Prunable {
  CacheFile file;
  std::string why;
};

/// `files`: of one directory. `now`: seconds since the epoch.
std::vector<Prunable> prunable(const std::vector<CacheFile>& files, const PruneRules& rules, int64_t now);

/// --older-than, --to-size, --other-cpus, --other-generators, --wrong, --yes.
CommandLine& pruneFlags(CommandLine& line);
/// What these say; none of them: other generators'. Errors: BadCommand naming the flag and what would be right.
Result<PruneRules> pruneRulesOf(const CommandLine& line);

}  // namespace quern
