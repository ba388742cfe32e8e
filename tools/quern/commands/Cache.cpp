// tools/quern/commands/Cache.cpp — `quern cache`: where kernels are kept, what is there, and moving them.
#include "compiler/base/Text.h"
#include "compiler/store/KernelCache.h"
#include "compiler/store/RecordLines.h"
#include "compiler/store/Standing.h"
#include "compiler/target/HostTarget.h"
#include "tools/quern/commands/CachePrune.h"
#include "tools/quern/commands/Command.h"
#include "tools/quern/cli/Interrupt.h"
#include "tools/quern/cli/Json.h"
#include "tools/quern/cli/Progress.h"
#include "tuner/records/Merge.h"
#include "tuner/worker/EntryTrials.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <functional>
#include <fmt/format.h>

namespace quern {

static const CommandInfo kCacheInfo = {
    "cache", "path|list|verify|prune|export FILE|import FILE|merge DIR...", "the kernel cache: where, what, and moving it",
    "  quern cache list\n"
    "  quern cache verify                         every kernel whole, and right on this machine: run again where it was verified\n"
    "  quern cache prune --older-than 60          what would go: age, --to-size, --other-cpus, --other-generators, --wrong; --yes removes "
    "it\n"
    "  quern cache export kernels.qks; quern cache import kernels.qks --cache ./other\n"
    "  quern cache merge part1 part2              what other machines and shards tuned: decisions, journals, kernels\n"};

namespace {

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

/// What the tuner measured of the entry's schedule, where it is a winner: text as a cell, and JSON.
std::string speedOf(const KernelArtifact& artifact, Json& row) {
  auto record = artifact.tuning.empty() ? Result<TuningRecord>(badInput("")) : parseTuningRecord(artifact.tuning);
  if (!record) return "-";
  const char* confidence = record->lowConfidence ? "low" : "high";
  row.update({{"speedup_over_default", record->ratio}, {"median_ns", record->medianNs}, {"confidence", confidence}});
  return fmt::format("{:.2f}x {}{}", record->ratio, humanTime(record->medianNs), record->lowConfidence ? " ?" : "");
}

Result<int> list(const KernelCache& cache, const CommandLine& line) {
  Json rows = Json::array();
  std::string out = fmt::format("{:<12} {:>8} {:>7}  {:<16} {}\n", "verified", "bytes", "age", "speed", "standing: op | schedule");
  bool unsure = false;
  for (const CacheFile& file : cache.files()) {
    if (!file.artifact) {
      out += fmt::format("{:<12} {:>8} {:>7}  {:<16} {}\n", "-", file.bytes, "-", "-", file.artifact.error().message);
      continue;
    }
    const KernelArtifact& artifact = *file.artifact;
    double days = static_cast<double>(std::time(nullptr) - file.changedSeconds) / 86400;
    auto made = parseTarget(artifact.provenance);
    std::string standing = standingOf(artifact, hostTarget()).text;
    Json row = {{"op", artifact.key.op},
                {"schedule", artifact.key.schedule},
                {"contract", artifact.key.contract},
                {"cpu", made ? made->model : ""},
                {"bytes", file.bytes},
                {"age_days", days},
                {"standing", standing},
                {"certificate_cases", artifact.certificate.cases},
                {"worst_error_over_limit", artifact.certificate.worstOverLimit},
                {"verified_as", artifact.certificate.as},
                {"verified_at", artifact.certificate.of},
                {"file", file.path}};
    std::string speed = speedOf(artifact, row);
    unsure = unsure || speed.ends_with('?');
    out += fmt::format("{:<12} {:>8} {:>7}  {:<16} {}: {} | {}\n", verifiedAs(artifact.certificate), file.bytes,
                       fmt::format("{:.1f} d", days), speed, standing, escaped(artifact.key.op), escaped(artifact.key.schedule));
    rows.push_back(std::move(row));
  }
  if (unsure) out += "?: the machine was not quiet when it was measured\n";
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

/// Every entry, each tried where it can be. `each`: of those that are whole. Ends where a signal came; returns how many were looked at.
Result<size_t> eachVerdict(const std::vector<CacheFile>& files, const CommandLine& line, const Stop& interrupted,
                           const std::function<void(const CacheFile& file, const EntryVerdict& verdict)>& each) {
  EntryTrials trials;
  ProgressBar progress(wantsProgress(line), "cache " + line.words()[0], [](double count) { return fmt::format("{:.0f}", count); });
  size_t done = 0;
  for (; done < files.size() && !interrupted.asked(); ++done) {
    progress.show(static_cast<double>(done), static_cast<double>(files.size()));
    const CacheFile& file = files[done];
    EntryVerdict verdict;
    verdict.outcome = EntryVerdict::Wrong;
    if (!file.artifact) verdict.why = file.artifact.error().message;
    else if (auto tried = trials.check(*file.artifact, interrupted)) verdict = *tried;
    else if (interrupted.asked()) break;
    else return tried.error();
    each(file, verdict);
  }
  return done;
}

/// What `cache verify` found so far.
struct Findings {
  std::array<size_t, 3> entries{};  ///< that are whole, by EntryVerdict::Outcome
  size_t damagedCount = 0;
  Json rows = Json::array(), damaged = Json::array();
  std::string out;

  void take(const CacheFile& file, const EntryVerdict& verdict);
};

void Findings::take(const CacheFile& file, const EntryVerdict& verdict) {
  if (!file.artifact) {
    ++damagedCount;
    damaged.push_back(file.path);
    out += fmt::format("{:<8} {}\n", "damaged", verdict.why);
    return;
  }
  const KernelArtifact& artifact = *file.artifact;
  ++entries[verdict.outcome];
  bool right = verdict.outcome == EntryVerdict::Right, wrong = verdict.outcome == EntryVerdict::Wrong;
  std::string found = right ? fmt::format("{:>5} runs, error {:.2g} of its limit", verdict.report.cases, verdict.report.worst) : "";
  out += fmt::format("{:<8} {:<38} {} | {}\n", wrong ? "WRONG" : nameOf(verdict.outcome), found, escaped(artifact.key.op),
                     escaped(artifact.key.schedule));
  if (!right) out += fmt::format("         {}\n", escaped(verdict.why));
  if (wrong) out += fmt::format("         {}\n", escaped(file.path));
  Json row = {{"op", artifact.key.op},
              {"schedule", artifact.key.schedule},
              {"file", file.path},
              {"outcome", nameOf(verdict.outcome)},
              {"certificate_cases", artifact.certificate.cases}};
  if (right) row.update({{"cases", verdict.report.cases}, {"worst_error_over_limit", verdict.report.worst}});
  else row["why"] = verdict.why;
  rows.push_back(std::move(row));
}

/// Every entry whole, and right on this machine.
Result<int> verify(const KernelCache& cache, const CommandLine& line) {
  Findings found;
  std::vector<CacheFile> files = cache.files();
  if (files.empty()) {
    std::string where = cache.enabled() ? join(cache.directories(), ", ") : "no cache";
    std::fprintf(stderr, "quern: nothing to verify: %s has no kernels\n", escaped(where).c_str());
  }
  Stop interrupted = interruption();
  auto done = eachVerdict(files, line, interrupted, [&](const CacheFile& file, const EntryVerdict& verdict) { found.take(file, verdict); });
  if (!done) return done.error();
  RecordLines::Health records;
  found.out += recordFaults(cache, records);
  auto [right, wrong, notRun] = found.entries;
  found.out += fmt::format("{} good, {} damaged", right, found.damagedCount);
  if (wrong > 0) found.out += fmt::format(", {} WRONG (cache prune --wrong --yes removes what is)", wrong);
  found.out += notRun > 0 ? fmt::format(", {} not run here\n", notRun) : "\n";
  if (records.good + records.bad > 0) found.out += fmt::format("records: {} good, {} damaged\n", records.good, records.bad);
  Json json = {{"good", right},           {"wrong", wrong},
               {"not_run", notRun},       {"damaged", found.damaged},
               {"entries", files.size()}, {"interrupted", interrupted.asked()},
               {"rows", found.rows},      {"records", {{"good", records.good}, {"damaged", records.bad}}}};
  if (auto written = say(line, found.out, json); !written) return written.error();
  if (interrupted.asked()) {
    std::fprintf(stderr, "quern: interrupted: %zu of %zu entries were looked at\n", *done, files.size());
    return interruptedStatus();
  }
  return wrong == 0 && found.damagedCount == 0 && records.bad == 0 ? 0 : 1;
}

Result<int> prune(const KernelCache& cache, const CommandLine& line) {
  auto rules = pruneRulesOf(line);
  if (!rules) return rules.error();
  std::vector<CacheFile> all = cache.ownFiles();
  if (rules->wrong) {
    auto done = eachVerdict(all, line, interruption(), [&](const CacheFile& file, const EntryVerdict& verdict) {
      if (verdict.outcome == EntryVerdict::Wrong && file.artifact) rules->wrongFiles.push_back(file.path);
    });
    if (!done) return done.error();
  }
  std::vector<Prunable> gone = prunable(all, *rules, std::time(nullptr));
  Json rows = Json::array();
  std::string out;
  int64_t bytes = 0;
  for (const Prunable& one : gone) {
    if (line.has("yes"))
      if (auto good = cache.remove(one.file); !good) return good.error();
    bytes += one.file.bytes;
    const auto& artifact = one.file.artifact;
    out += fmt::format("{:<26} {:>8}  {}\n", one.why, one.file.bytes,
                       artifact ? escaped(artifact->key.op + " | " + artifact->key.schedule) : escaped(one.file.path));
    rows.push_back({{"file", one.file.path}, {"why", one.why}, {"bytes", one.file.bytes}, {"op", artifact ? artifact->key.op : ""}});
  }
  std::string of = fmt::format("{} of {}, {}", gone.size(), counted(all.size(), "kernel"), humanBytes(static_cast<double>(bytes)));
  out += line.has("yes") ? of + " removed\n" : gone.empty() ? of + "\n" : of + ": --yes removes them\n";
  Json json = {{"rows", rows}, {"bytes", bytes}, {"entries", all.size()}, {"removed", line.has("yes")}};
  if (auto good = say(line, out, json); !good) return good.error();
  return 0;
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
  pruneFlags(line).common({"cache", "json"});
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  const std::vector<std::string>& words = line.words();
  const std::vector<std::string> actions = {"path", "list", "verify", "prune", "export", "import", "merge"};
  std::string action = words.empty() ? "" : words[0];
  if (words.empty()) return badCommand(fmt::format("cache: an action is needed: {}", join(actions, " ")));
  if (std::find(actions.begin(), actions.end(), action) == actions.end())
    return badCommand(
        fmt::format("cache: '{}' is no action{}; actions: {}", escaped(action), didYouMean(action, actions), join(actions, " ")));
  for (const char* flag : {"older-than", "to-size", "other-cpus", "other-generators", "wrong", "yes"})
    if (line.has(flag) && action != "prune") return badCommand(fmt::format("--{} goes with cache prune", flag));
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
  if (action == "prune") return prune(cache, line);
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
