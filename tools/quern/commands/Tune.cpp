// tools/quern/commands/Tune.cpp — `quern tune`: finds the fastest schedules for this CPU and keeps them.
#include "compiler/base/InputFile.h"
#include "compiler/base/Log.h"
#include "compiler/base/Text.h"
#include "compiler/target/UsableCpus.h"
#include "tools/quern/bench/Replay.h"
#include "tools/quern/commands/Command.h"
#include "tools/quern/cli/Library.h"
#include "tools/quern/commands/TuneRegime.h"
#include "tools/quern/commands/TuneText.h"
#include "tools/quern/cli/Json.h"
#include "tools/quern/cli/ModelOpen.h"
#include "tools/quern/commands/Workloads.h"
#include "tuner/Tuner.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fmt/format.h>
#include <set>

namespace quern {

static const CommandInfo kTuneInfo = {
    "tune", "[OP|--suite FILE|--baseline FILE|--model M] [--budget 60s] [--effort estimate|measure|patient|exhaustive]",
    "tunes into the cache; Ctrl-C keeps what is done, the same command resumes",
    "  quern tune                                 the recorded baseline's ops and models\n"
    "  quern tune matmul m=512 n=512 k=512 const=b --effort patient\n"
    "  quern tune --suite transformer-f32 --budget 60s\n"
    "  parallel quern tune --suite transformer-f32 --shard {}/2 --cache part{} ::: 1 2; quern cache merge part1 part2\n"
    "  quern tune matmul m=64 n=64 k=64 --pin \"mr=8 nr=32\"; quern tune matmul m=64 n=64 k=64 --unpin\n"};

namespace {

/// "60s", "2m", "500ms", "90".
Result<double> parseSeconds(const std::string& given) {
  const std::pair<std::string_view, double> units[] = {{"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"", 1}};
  for (auto [unit, scale] : units) {
    if (!given.ends_with(unit)) continue;
    auto value = parseDouble(std::string_view(given).substr(0, given.size() - unit.size()));
    if (value && *value > 0 && std::isfinite(*value)) return *value * scale;
    break;
  }
  return badCommand(fmt::format("tune: --budget {} is not a time such as 60s or 2m", given.empty() ? "''" : escaped(given)));
}

void showProgress(const TuneProgress& p) {
  std::string left = p.secondsLeft > 0 ? fmt::format(", {:.0f} s left", p.secondsLeft) : "";
  std::fprintf(stderr, "\r\033[K[%zu/%zu] %s  %zu/%zu candidates, %.2fx the default%s", p.op + 1, p.ops, p.name.substr(0, 60).c_str(),
               p.candidate, p.candidates, p.speedup, left.c_str());
}

/// "2/3": of what is to be tuned every third item, the second among them.
struct Shard {
  size_t which = 1, of = 1;
};
Result<Shard> parseShard(const std::string& given) {
  size_t slash = given.find('/');
  auto which = parseInt(given.substr(0, slash)), of = slash == std::string::npos ? which : parseInt(given.substr(slash + 1));
  bool good = slash != std::string::npos && which && of && *which >= 1 && *which <= *of && *of <= 1000000;
  if (!good)
    return badCommand(fmt::format("tune: --shard {} is not a part such as 1/4, 2/4 ... 4/4", given.empty() ? "''" : escaped(given)));
  return Shard{static_cast<size_t>(*which), static_cast<size_t>(*of)};
}

/// What remains are the items of one part; the parts of one number have every item once, long and short ones alike.
void keepShard(Workload& workload, const Shard& shard) {
  std::stable_sort(workload.items.begin(), workload.items.end(),
                   [](const WorkloadItem& a, const WorkloadItem& b) { return a.priority > b.priority; });
  std::vector<WorkloadItem> kept;
  for (size_t i = 0; i < workload.items.size(); ++i)
    if (i % shard.of == shard.which - 1) kept.push_back(std::move(workload.items[i]));
  workload.items = std::move(kept);
}

Result<Workload> workloadOf(const CommandLine& line, const Target& target) {
  if (auto good = checkModelFlag(line); !good) return good.error();
  int given = (line.words().empty() ? 0 : 1) + line.has("suite") + line.has("baseline") + line.has("model");
  if (given > 1) return badCommand("tune: one of an op, --suite, --baseline and --model");
  if (line.has("suite")) return suiteWorkload(line.get("suite"));
  if (!line.words().empty()) {
    auto entry = opFromWords(line.words());
    if (!entry) return entry.error();
    return opWorkload(entry->op);
  }
  if (line.has("model")) {
    auto source = openModelOf(line);
    return source ? modelWorkload(*source, target) : Result<Workload>(source.error());
  }
  return baselineWorkload(line.has("baseline") ? line.get("baseline") : "smallmind", target);
}

/// Says what is odd about a space before it is searched: so many combinations that only a sample is looked at.
void noteSpace(const SearchSpace& space, const Workload& workload) {
  std::set<OpClass> noted;
  for (const WorkloadItem& item : workload.items) {
    SpaceSize size = sizeOf(space, item.op);
    if (size.all || !noted.insert(classOf(item.op)).second) continue;
    std::fprintf(stderr, "quern: %s has %s combinations for %s: a fixed sample of at most %zu is looked at\n", escaped(space.file).c_str(),
                 size.combinations.c_str(), std::string(familyName(classOf(item.op))).c_str(), size.most);
  }
}

/// Ops that run what is pinned, whatever was found.
void warnOfPinned(const std::vector<TuneOutcome>& outcomes, const KernelLibrary& library) {
  for (const TuneOutcome& o : outcomes) {
    auto op = parseOp(o.op);
    auto choice = op ? library.choose(*op) : Result<ScheduleChoice>(op.error());
    if (choice && choice->from == "pinned")
      logWarning(fmt::format("{} is pinned: it runs {}, whatever is found; --unpin frees it", o.op, text(choice->schedule)));
  }
}

/// Ops that no other schedule was legal for.
void warnAbout(const std::vector<TuneOutcome>& outcomes, const SearchSpace& space, const Target& target) {
  for (const TuneOutcome& o : outcomes) {
    if (o.skipped || !o.finished || !o.candidates.empty()) continue;
    auto op = parseOp(o.op);
    std::string why = op ? whyNoneIsLegal(space, *op, target) : "";
    logWarning(fmt::format("{}: no other schedule of {} is legal for it{}", o.op, escaped(space.file), why.empty() ? "" : ": " + why));
  }
}

/// What the run did not get to, and how to go on. `last`: why it ended.
void sayWhatIsLeft(const std::vector<TuneOutcome>& outcomes, const std::string& last) {
  auto count = [&](auto&& is) { return static_cast<size_t>(std::count_if(outcomes.begin(), outcomes.end(), is)); };
  size_t done = count([](const TuneOutcome& o) { return o.skipped || o.finished; }),
         unreached = count([](const TuneOutcome& o) { return !o.reached; }),
         unconfirmed = count([](const TuneOutcome& o) { return o.unconfirmed; });
  if (done == outcomes.size() && unconfirmed == 0 && last != "interrupted") return;
  std::string rest =
      unreached == 0 ? ""
                     : fmt::format("; {} not reached, {} default schedule", unreached, unreached == 1 ? "it runs its" : "they run their");
  if (unconfirmed > 0) rest += fmt::format("; {} yet to meet the default once more", counted(unconfirmed, "winner"));
  std::fprintf(stderr, "quern: %s: %zu of %s tuned%s; the same command goes on\n", last.c_str(), done,
               counted(outcomes.size(), "op").c_str(), rest.c_str());
}

/// Schedules of an op, one a line; what stands behind # is a remark, as in `show --stage space`.
/// Errors   BadInput naming file and line.
Result<std::vector<Schedule>> readCandidates(const std::string& file, const OpDesc& op, const Target& target) {
  auto bytes = readFile(file);
  if (!bytes) return bytes.error();
  constexpr size_t kLongestSchedule = 1000;
  std::vector<Schedule> schedules;
  std::vector<std::string> lines = split(*bytes, '\n');
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string given(trim(std::string_view(lines[i]).substr(0, lines[i].find('#'))));
    if (given.empty()) continue;
    if (given.size() > kLongestSchedule)
      return badInput(fmt::format("{}:{}: {} characters; a schedule has {} at most", escaped(file), i + 1, given.size(), kLongestSchedule));
    auto schedule = parseSchedule(given, op, target);
    if (!schedule) return badInput(fmt::format("{}:{}: {}", escaped(file), i + 1, schedule.error().message));
    schedules.push_back(*schedule);
  }
  if (schedules.empty())
    return badInput(
        fmt::format("{}: no schedule in it; one a line is needed, such as: {}", escaped(file), text(defaultSchedule(op, target))));
  return schedules;
}

/// Errors   BadCommand: flags about a search.
Result<void> checkPinFlags(const CommandLine& line) {
  const char* own = line.has("pin") ? "pin" : "unpin";
  for (const char* flag : {"suite", "baseline", "model", "budget", "effort", "space", "again", "shard", "samples", "candidates", "json",
                           "at", "cache-state", "threads", "compute", "order"})
    if (line.has(flag)) return badCommand(fmt::format("tune: --{} is about one schedule of an OP; --{} does not go with that", own, flag));
  if (line.has("pin") && line.has("unpin")) return badCommand("tune: one of --pin and --unpin");
  return {};
}

Result<int> pinOrUnpin(const CommandLine& line, KernelLibrary& library, const Stop& stop) {
  if (auto good = checkPinFlags(line); !good) return good.error();
  if (line.words().empty()) return badCommand("tune: --pin and --unpin need an OP");
  auto entry = opFromWords(line.words());
  if (!entry) return entry.error();
  if (line.has("unpin"))
    if (auto pinned = library.tuning().choose(entry->op, library.target()); !pinned || !pinned->pinned)
      return badCommand(fmt::format("tune: {} is not pinned", text(entry->op)));
  auto good = line.has("unpin") ? unpinSchedule(library, entry->op) : pinSchedule(library, entry->op, line.get("pin"), stop);
  if (!good) return good.error();
  if (auto written = writeResult(fmt::format("{} {}\n", line.has("unpin") ? "unpinned" : "verified and pinned", text(entry->op))); !written)
    return written.error();
  return 0;
}

}  // namespace

static Json withReplay(Json json, const Replay& replay) {
  auto spread = [](const Spread& of) { return Json{{"ratio", of.median}, {"low", of.low}, {"high", of.high}}; };
  Json list = Json::array();
  for (const ReplayRow& row : replay.rows)
    list.push_back({{"kernels", row.kind},
                    {"ops", row.ops.size()},
                    {"prefill", spread(row.prefill)},
                    {"decode", spread(row.decode)},
                    {"taken_back", row.takenBack}});
  if (!replay.rows.empty()) json["replay"] = list;
  if (!replay.leftOut.empty()) json["replay_left_out"] = replay.leftOut;
  return json;
}

/// Of a model: whether what was tuned helps in it. Bench of ops alone cannot know.
static Result<Replay> replayOf(const CommandLine& line, KernelLibrary& library, const std::vector<TuneOutcome>& outcomes,
                               const TuneOptions& options, double seconds) {
  std::vector<OpDesc> ops;
  for (const TuneOutcome& outcome : outcomes)
    if (auto op = parseOp(outcome.op); op && outcome.reached) ops.push_back(*op);
  auto source = openModelOf(line);
  if (!source) return source.error();
  ReplaySettings settings;
  settings.threads = usableCpus();
  settings.seconds = seconds;
  settings.stop = options.stop;
  settings.journal = options.journal;
  settings.again = options.retune;
  if (options.progress)
    settings.progress = [](const std::string& what) { std::fprintf(stderr, "\r\033[Kin the model, with and without: %s", what.c_str()); };
  auto replay = replayModel(library, *source, ops, settings);
  if (options.progress) std::fprintf(stderr, "\r\033[K");
  return replay;
}

static void tuneFlags(CommandLine& line) {
  line.common({"cpu", "cache", "json", "threads"})
      .value("suite", "FILE", "", "every op of a suite")
      .value("baseline", "FILE", "", "every op of a baseline's rows and of its models");
  computeFlags(modelFlag(line, "every op of a model"))
      .value("budget", "TIME", "", "at most this long (60s, 2m)")
      .value("effort", "E", "measure", "estimate (records nothing), measure, patient, exhaustive");
  line.value("space", "FILE", "default", "search space: a name in configs/tune or a TOML file")
      .value("pin", "SCHEDULE", "", "verify this schedule and always use it for OP")
      .toggle("unpin", "free OP again");
  line.toggle("again", "also what has been tuned before");
  line.value("shard", "I/N", "", "only part I of N of the ops: for several machines, or tasks of a job array; cache merge joins them")
      .value("samples", "FILE", "", "every sample as CSV: op, at, anchor, schedule, turn, pair, ratio, anchor_ns");
  regimeFlags(line);
  line.value("candidates", "FILE", "", "of OP: these schedules, one a line, in place of the space's; verified and timed like those");
}

/// What the flags ask for beside the workload. Errors: BadCommand.
static Result<TuneOptions> tuneOptionsOf(const CommandLine& line) {
  TuneOptions options;
  auto effort = parseEffort(line.get("effort"));
  if (!effort) return effort.error();
  options.effort = *effort;
  if (line.has("budget")) {
    auto seconds = parseSeconds(line.get("budget"));
    if (!seconds) return seconds.error();
    options.budgetSeconds = *seconds;
  }
  options.retune = line.has("again") || !line.words().empty();
  if (wantsProgress(line)) options.progress = showProgress;
  return options;
}

/// --candidates and --shard. Errors: BadCommand; BadInput for a file's; Machine where an op's operands do not fit.
static Result<void> narrowTo(const CommandLine& line, const Target& target, Workload& workload, TuneOptions& options) {
  if (line.has("candidates")) {
    if (line.words().empty()) return badCommand("tune: --candidates goes with an op");
    for (const char* flag : {"effort", "space"})
      if (line.has(flag)) return badCommand(fmt::format("tune: --candidates says what is tried; --{} does not go with that", flag));
    auto given = readCandidates(line.get("candidates"), workload.items.at(0).op, target);
    if (!given) return given.error();
    options.candidates = std::move(*given);
  }
  if (line.has("shard")) {
    auto shard = parseShard(line.get("shard"));
    if (!shard) return shard.error();
    size_t all = workload.items.size();
    keepShard(workload, *shard);
    if (workload.items.empty())
      logWarning(fmt::format("tune: part {} has nothing to do: {} in all", escaped(line.get("shard")), counted(all, "op")));
  }
  for (const WorkloadItem& item : workload.items)
    if (auto fits = checkMemory(fixed(item.op, item.sample), 8); !fits) return fits;
  return {};
}

/// Tunes, replays a model, and says what came of it.
static Result<int> tuneAndSay(const CommandLine& line, KernelLibrary& library, Workload workload, const SearchSpace& space,
                              TuneOptions options) {
  Journal journal = journalOf(library);
  options.journal = &journal;
  bool replays = line.has("model") && library.cache().enabled() && options.effort != Effort::Estimate;
  constexpr double kReplayPart = 0.15, kReplaySeconds = 20;
  double replaySeconds = options.budgetSeconds > 0 ? std::min(kReplaySeconds, kReplayPart * options.budgetSeconds) : kReplaySeconds;
  if (replays && options.budgetSeconds > 0) options.budgetSeconds -= replaySeconds;
  auto outcomes = tuneWorkload(library, space, std::move(workload), options);
  if (options.progress) std::fprintf(stderr, "\r\033[K");
  if (!outcomes) return outcomes.error();
  Replay replayed;
  if (replays && !options.stop.asked()) {
    auto done = replayOf(line, library, *outcomes, options, replaySeconds);
    if (!done) return done.error();
    replayed = std::move(*done);
  }
  warnAbout(*outcomes, space, library.target());
  warnOfPinned(*outcomes, library);
  if (line.has("json"))
    if (auto good = writeResult(jsonText(withReplay(jsonOf(*outcomes), replayed)), line.get("json")); !good) return good.error();
  if (line.get("json") != "-")
    if (auto good = writeResult(tableOf(*outcomes) + "\n" + text(summaryOf(*outcomes)) + text(replayed)); !good) return good.error();
  if (line.has("samples"))
    if (auto good = writeResult(samplesCsv(journal, *outcomes), line.get("samples")); !good) return good.error();
  sayWhatIsLeft(*outcomes, options.stop.asked() ? "interrupted" : options.budgetSeconds > 0 ? "the budget ended" : "not all could be done");
  return options.stop.asked() ? interruptedStatus() : 0;
}

static Result<int> runTune(std::vector<std::string> args) {
  CommandLine line(kTuneInfo, std::move(args));
  tuneFlags(line);
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  auto options = tuneOptionsOf(line);
  if (!options) return options.error();
  for (const char* file : {"json", "samples"})
    if (auto good = checkResultFile(line.get(file)); !good) return good.error();
  auto library = libraryOf(line, true);
  if (!library) return library.error();
  options->stop = interruption();
  if (line.has("pin") || line.has("unpin")) return pinOrUnpin(line, **library, options->stop);
  auto workload = workloadOf(line, (*library)->target());
  if (!workload) return workload.error();
  auto space = readSearchSpace(line.get("space"));
  if (!space) return space.error();
  if (auto good = setRegime(line, *workload, *options); !good) return good.error();
  if (auto good = narrowTo(line, (*library)->target(), *workload, *options); !good) return good.error();
  noteSpace(*space, *workload);
  if (!(*library)->cache().enabled()) logWarning("without a cache what is tuned is shown and not kept");
  return tuneAndSay(line, **library, std::move(*workload), *space, std::move(*options));
}

Command tuneCommand() { return {kTuneInfo, runTune}; }

}  // namespace quern
