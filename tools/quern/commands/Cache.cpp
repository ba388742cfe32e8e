// tools/quern/commands/Cache.cpp — `quern cache`: where kernels are kept, what is there, and moving them.
#include "compiler/base/Text.h"
#include "compiler/store/KernelCache.h"
#include "compiler/store/RecordLines.h"
#include "compiler/target/HostTarget.h"
#include "tools/quern/commands/Command.h"
#include "tools/quern/cli/Json.h"
#include "tuner/records/Merge.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

static const CommandInfo kCacheInfo = {
    "cache", "path|list|verify|export FILE|import FILE|merge DIR...", "the kernel cache: where, what, and moving it",
    "  quern cache list\n  quern cache export kernels.qks; quern cache import kernels.qks --cache ./other\n"
    "  quern cache merge part1 part2              what other machines and shards tuned: decisions, journals, kernels\n"};

namespace {

/// May this entry's code run here, and was it made here?
std::string standing(const KernelArtifact& artifact) {
  auto made = parseTarget(artifact.provenance);
  auto contract = parseContract(artifact.key.contract);
  if (!made || !contract) return "unknown";
  Target host = hostTarget();
  std::vector<std::string> lacking = contract->lackingOn(host);
  if (!lacking.empty()) return "refused: needs " + join(lacking, " ");
  return made->model == host.model ? "exact" : "runs, tuned elsewhere (" + made->model + ")";
}

/// One word or two for the list: what the entry's own kernel was verified as.
std::string verifiedAs(const Certificate& certificate) {
  if (certificate.cases == 0) return "no";
  return certificate.as.empty() ? "yes" : escapedShort(certificate.as);
}

/// The plain text, or the same as JSON where it was asked for.
Result<void> say(const CommandLine& line, const std::string& plain, const Json& json) {
  if (line.has("json"))
    if (auto good = writeResult(jsonText(json), line.get("json")); !good) return good;
  return line.get("json") == "-" ? Result<void>() : writeResult(plain);
}

Result<int> list(const KernelCache& cache, const CommandLine& line) {
  Json rows = Json::array();
  std::string out = "verified  bytes   standing  op | schedule\n";
  for (const CacheFile& file : cache.files()) {
    if (!file.artifact) {
      out += fmt::format("{:>8}  {:>6}  {}\n", "-", file.bytes, file.artifact.error().message);
      continue;
    }
    const Result<KernelArtifact>& artifact = file.artifact;
    std::string here = standing(*artifact);
    out += fmt::format("{:>8}  {:>6}  {}  {} | {}\n", verifiedAs(artifact->certificate), file.bytes, here, artifact->key.op,
                       artifact->key.schedule);
    rows.push_back({{"op", artifact->key.op},
                    {"schedule", artifact->key.schedule},
                    {"contract", artifact->key.contract},
                    {"bytes", file.bytes},
                    {"standing", here},
                    {"certificate_cases", artifact->certificate.cases},
                    {"worst_error_over_limit", artifact->certificate.worstOverLimit},
                    {"verified_as", artifact->certificate.as},
                    {"verified_at", artifact->certificate.of},
                    {"file", file.path}});
  }
  if (auto good = say(line, out, {{"rows", rows}}); !good) return good.error();
  return 0;
}

/// Lines about tuning records that are not used; counts them and the others.
std::string recordFaults(const KernelCache& cache, RecordLines::Health& all) {
  std::string out;
  for (const std::string& directory : cache.directories()) {
    auto folder = TrustedFolder::open(directory);
    if (!folder || !*folder) continue;  // said with the entries
    auto file = RecordLines::open(**folder);
    if (!file) out += file.error().message + "\n", ++all.bad;
    if (!file || !*file) continue;
    RecordLines::Health health = (*file)->health();
    all.good += health.good, all.bad += health.bad;
    if (health.bad > 0)
      out += fmt::format("{}: {} of {} records not used; the first: {}\n", escaped((*file)->path()), health.bad, health.bad + health.good,
                         health.firstReason);
  }
  return out;
}

Result<int> verify(const KernelCache& cache, const CommandLine& line) {
  size_t good = 0, bad = 0;
  Json damaged = Json::array();
  std::string out;
  for (const CacheFile& file : cache.files()) {
    if (file.artifact) {
      ++good;
      continue;
    }
    ++bad;
    damaged.push_back(file.path);
    out += file.artifact.error().message + "\n";
  }
  RecordLines::Health records;
  out += recordFaults(cache, records);
  out += fmt::format("{} good, {} damaged\n", good, bad);
  if (records.good + records.bad > 0) out += fmt::format("records: {} good, {} damaged\n", records.good, records.bad);
  Json json = {{"good", good}, {"damaged", damaged}, {"records", {{"good", records.good}, {"damaged", records.bad}}}};
  if (auto written = say(line, out, json); !written) return written.error();
  return bad == 0 && records.bad == 0 ? 0 : 1;
}

Result<int> merge(const std::vector<std::string>& words, const CommandLine& line) {
  std::vector<std::string> directories = cacheDirectories(line.get("cache")), from(words.begin() + 1, words.end());
  if (from.empty()) return badCommand("cache merge: the cache directories to take over are needed");
  if (directories.empty()) return badCommand("cache merge: there is no cache to merge them into");
  auto counts = mergeCaches(directories[0], from);
  if (!counts) return counts.error();
  std::string out =
      fmt::format("{}: {} of ops taken over, {} as new here; {} of journals, {}\n", escaped(directories[0]),
                  counted(static_cast<size_t>(counts->records), "decision"), counts->older,
                  counted(static_cast<size_t>(counts->lines), "line"), counted(static_cast<size_t>(counts->kernels), "kernel"));
  if (counts->damaged > 0) out += fmt::format("{} set aside: torn or damaged\n", counted(static_cast<size_t>(counts->damaged), "line"));
  Json json = {{"decisions", counts->records},
               {"older", counts->older},
               {"journal_lines", counts->lines},
               {"kernels", counts->kernels},
               {"damaged", counts->damaged}};
  if (auto good = say(line, out, json); !good) return good.error();
  return 0;
}

}  // namespace

static Result<int> runCache(std::vector<std::string> args) {
  CommandLine line(kCacheInfo, std::move(args));
  line.common({"cache", "json"});
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  const std::vector<std::string>& words = line.words();
  const std::vector<std::string> actions = {"path", "list", "verify", "export", "import", "merge"};
  std::string action = words.empty() ? "" : words[0];
  if (words.empty()) return badCommand(fmt::format("cache: an action is needed: {}", join(actions, " ")));
  if (std::find(actions.begin(), actions.end(), action) == actions.end())
    return badCommand(
        fmt::format("cache: '{}' is no action{}; actions: {}", escaped(action), didYouMean(action, actions), join(actions, " ")));
  if (action == "merge") return merge(words, line);
  bool moves = action == "export" || action == "import";
  if (words.size() != (moves ? 2u : 1u))
    return badCommand(fmt::format("cache {}: {} is needed", action, moves ? "one FILE" : "no further word"));
  KernelCache cache(cacheDirectories(line.get("cache")));
  if (action == "path") {
    if (auto good = say(line, join(cache.directories(), "\n") + (cache.enabled() ? "\n" : ""), {{"directories", cache.directories()}});
        !good)
      return good.error();
    return 0;
  }
  if (action == "list") return list(cache, line);
  if (action == "verify") return verify(cache, line);
  auto count = action == "export" ? cache.exportTo(words[1]) : cache.importFrom(words[1]);
  if (!count) return count.error();
  if (auto good = say(line, fmt::format("{} kernels {}\n", *count, action == "export" ? "written to " + words[1] : "read"),
                      {{"kernels", *count}, {"file", words[1]}});
      !good)
    return good.error();
  return 0;
}

Command cacheCommand() { return {kCacheInfo, runCache}; }

}  // namespace quern
