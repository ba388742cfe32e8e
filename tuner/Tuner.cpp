// tuner/Tuner.cpp — see Tuner.h.
#include "tuner/Tuner.h"

#include "compiler/base/Log.h"
#include "compiler/base/Text.h"
#include "compiler/target/UsableCpus.h"
#include "tuner/check/Certify.h"
#include "tuner/OpContest.h"
#include "tuner/SizeTable.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <numeric>

namespace quern {

static constexpr std::array<std::string_view, 4> kEfforts = {"estimate", "measure", "patient", "exhaustive"};

std::string_view text(Effort effort) { return kEfforts[static_cast<size_t>(effort)]; }

Result<Effort> parseEffort(const std::string& given) {
  for (size_t i = 0; i < kEfforts.size(); ++i)
    if (kEfforts[i] == given) return static_cast<Effort>(i);
  return badCommand(fmt::format("--effort {}: efforts are estimate, measure, patient, exhaustive", given.empty() ? "''" : escaped(given)));
}

namespace {

/// Writes down what was found: the record, those for small calls, and a certificate into each kernel's entry.
Result<void> keep(KernelLibrary& library, const WorkloadItem& item, const OpContest& contest, const TuneOutcome& outcome,
                  const SizeTable& sizes, const Stop& stop) {
  TuningRecord record = contest.record();
  if (!outcome.finished) record.effort = kPartialEffort;
  std::vector<TuningRecord> records = {record};
  records.insert(records.end(), sizes.records.begin(), sizes.records.end());
  if (auto good = library.tuning().add(records); !good) return good;
  if (auto kept = library.get(item.op, contest.winner(), stop); !kept) return kept.error();
  if (auto good = keepCertificate(library, item.op, contest.winner(), contest.certificate("winner"), text(record)); !good) return good;
  auto choice = library.choose(item.op);
  if (!choice) return choice.error();
  for (const SizeClass& one : choice->sized) {
    if (one.schedule == choice->schedule) continue;
    auto known = std::find_if(sizes.verified.begin(), sizes.verified.end(), [&](const auto& pair) { return pair.first == one.schedule; });
    if (auto kept = library.get(item.op, one.schedule, stop); !kept) return kept.error();  // compiled and stored now, not in the first run
    auto good = known != sizes.verified.end() ? keepCertificate(library, item.op, one.schedule, known->second, "")
                                              : certify(library, item.op, {one.schedule, kSmallCalls, {}}, "", stop);
    if (!good) return good;
  }
  return {};
}

/// What an earlier run found, where it is still legal: one that was cut short, or (`any`) whatever is recorded.
std::optional<Schedule> foundBefore(KernelLibrary& library, const OpDesc& op, bool any) {
  auto choice = library.tuning().choose(op, library.target());
  if (!choice || choice->pinned || (!any && choice->record.effort != kPartialEffort)) return std::nullopt;
  auto schedule = parseSchedule(choice->schedule, op, library.target());
  return schedule ? std::optional(*schedule) : std::nullopt;
}

/// Has this op been tuned here, on this CPU, at least as hard?
bool alreadyTuned(KernelLibrary& library, const OpDesc& op, Effort effort) {
  auto choice = library.tuning().choose(op, library.target());
  if (!choice) return false;
  auto done = parseEffort(choice->record.effort);
  return choice->pinned || (done && *done >= effort);
}

/// Cut short, it is worth writing down only where nothing better is known: a finished record stays, and one that saw more.
bool worthKeeping(KernelLibrary& library, const OpDesc& op, const TuneOutcome& outcome) {
  if (outcome.finished) return true;
  if (outcome.candidates.empty() || alreadyTuned(library, op, Effort::Estimate)) return false;
  auto known = library.tuning().choose(op, library.target());
  return !known || known->record.effort != kPartialEffort || known->record.candidates <= static_cast<int64_t>(outcome.candidates.size());
}

Result<TuneOutcome> tuneOne(const OpContest::Tools& tools, const SearchSpace& space, const WorkloadItem& item, const TuneOptions& options,
                            const TuneTimes& times, const TuneProgress& progress) {
  KernelLibrary& library = tools.library;
  // Where time is short, what runs for small calls has a part of it.
  constexpr double kMainPart = 0.6;
  bool sized = !tunedSizes(item).empty() && std::isfinite(times.candidates.secondsLeft());
  TuneTimes main{sized ? times.candidates.within(kMainPart * times.candidates.secondsLeft()) : times.candidates, times.all};
  OpContest contest(tools, item, options, main);
  auto outcome = contest.run(space, foundBefore(library, item.op, !options.candidates.empty()), progress);
  if (!outcome || !outcome->reached) return outcome;
  auto sizes = tuneSizes(tools, space, item, contest.winner(), options, times, progress);
  if (!sizes) return sizes.error();
  outcome->finished = outcome->finished && sizes->finished;
  bool timed = outcome->medianNs > 0;  // an estimate is no decision about this CPU
  if (!worthKeeping(library, item.op, *outcome) || !timed || !library.cache().enabled()) return outcome;
  auto kept = keep(library, item, contest, *outcome, *sizes, times.all);
  if (!kept && kept.error().code == kStopped) outcome->finished = false;
  else if (!kept) return kept.error();
  if (!outcome->finished) return outcome;  // the journal's runs stay open: the next run goes on with them
  sizes->closings.push_back(contest.closing());
  for (const OpContest::Closing& close : sizes->closings)
    if (auto good = close(); !good) return good.error();
  return outcome;
}

/// Meets the default once more, some time later and on fresh operands: whether a schedule wins may hang on which pages its weights
/// got and on what else ran. One that no longer does gives way to the default.
Result<void> confirm(const OpContest::Tools& tools, const WorkloadItem& item, const TuneOptions& options, const Stop& stop,
                     TuneOutcome& outcome) {
  KernelLibrary& library = tools.library;
  Schedule base = defaultSchedule(item.op, library.target());
  auto schedule = parseSchedule(outcome.schedule, item.op, library.target());
  if (!schedule || *schedule == base) return {};
  OpContest contest(tools, item, options, {stop, stop});
  auto decided = contest.runAgain(*schedule);
  if (stop.asked()) return {};  // as it was decided before
  if (!decided) return decided.error();
  outcome.unconfirmed = !decided->finished;
  if (decided->schedule == outcome.schedule) return contest.closing()();
  logLine(LogTopic::Tune, fmt::format("{} | {}: did not win again", outcome.op, outcome.schedule));
  outcome.schedule = decided->schedule;
  outcome.speedup = 1;
  outcome.medianNs = decided->medianNs;
  if (!library.cache().enabled()) return {};
  if (outcome.skipped) outcome.candidates = decided->candidates, outcome.ratio = decided->ratio, outcome.skipped = false;
  TuningRecord record = contest.record();
  if (auto known = library.tuning().choose(item.op, library.target()))
    record.candidates = known->record.candidates, record.effort = known->record.effort;
  if (auto good = library.tuning().add(record); !good) return good;
  return contest.closing()();
}

/// What each op's time counts for: calls times what one should take.
std::vector<double> weightsOf(const Workload& workload, const Target& target) {
  std::vector<double> weights;
  for (const WorkloadItem& item : workload.items) {
    OpDesc bound = fixed(item.op, item.sample);
    weights.push_back(std::max(1.0, item.calls * costOf(defaultSchedule(item.op, target), bound, target).cycles));
  }
  return weights;
}

/// Seconds for op `i` of those that are left: half of an even share, half of one by its weight. What it does not use the next ones have.
double shareOf(const std::vector<double>& weights, size_t i, double left) {
  constexpr double kLeastShare = 0.3;
  auto begin = weights.begin() + static_cast<std::ptrdiff_t>(i);
  double sum = std::accumulate(begin, weights.end(), 0.0), even = 1 / static_cast<double>(weights.size() - i);
  return std::max(kLeastShare, left * (even + weights[i] / sum) / 2);
}

/// As it was recorded.
TuneOutcome knownBefore(KernelLibrary& library, const WorkloadItem& item) {
  TuneOutcome out;
  out.op = text(item.op);
  out.skipped = true;
  out.calls = item.calls;
  auto choice = library.tuning().choose(item.op, library.target());
  if (!choice) return out;
  out.schedule = choice->schedule;
  out.speedup = choice->record.ratio;
  out.medianNs = choice->record.medianNs;
  return out;
}

/// Was a run ended before what it recorded met the default once more, where this item is timed?
bool awaitsMeeting(KernelLibrary& library, const Journal& journal, const WorkloadItem& item) {
  auto choice = library.tuning().choose(item.op, library.target());
  if (!choice || choice->pinned || choice->schedule == text(defaultSchedule(item.op, library.target()))) return false;
  return meetingDue(journal, choice->record) == recordValue(regimeOf(item));
}

/// Where the recorded schedule was tuned, if that is known to be elsewhere than this item is timed; else empty.
std::string otherRegime(KernelLibrary& library, const Journal& journal, const WorkloadItem& item) {
  auto choice = library.tuning().choose(item.op, library.target());
  auto at = choice && !choice->pinned ? tunedAt(journal, choice->record) : std::nullopt;
  if (!at || *at == recordValue(regimeOf(item))) return "";
  return at->empty() ? std::string(text(CacheState::Hot)) : *at;
}

TuneOutcome notReached(const WorkloadItem& item) {
  TuneOutcome out;
  out.op = text(item.op);
  out.reached = out.finished = false;
  return out;
}

/// All ops of a workload, within the budget: each in turn, those that were cut short again while there is time, and the winners once more.
class WorkloadRun {
public:
  WorkloadRun(const OpContest::Tools& tools, const SearchSpace& space, const Workload& workload, const TuneOptions& options)
      : tools_(tools),
        space_(space),
        workload_(workload),
        options_(options),
        end_(options.budgetSeconds > 0 ? options.stop.within(options.budgetSeconds) : options.stop),
        weights_(weightsOf(workload, tools.library.target())),
        start_(nowSeconds()) {}

  Result<void> all() {
    std::vector<size_t> open;
    for (size_t i = 0; i < workload_.items.size(); ++i) {
      outcomes_.push_back(notReached(workload_.items[i]));
      if (!known(i)) open.push_back(i);
    }
    auto finished = [&](size_t i) { return outcomes_[i].finished; };
    if (auto good = pass(open); !good) return good;
    for (bool more = true; more;) {  // what an op did not use of its share the others have
      std::erase_if(open, finished);
      size_t known = tools_.journal.size();
      constexpr double kWorthwhile = 0.02;  // of the budget
      bool time = limited() && !end_.asked() && end_.secondsLeft() - meetings() > kWorthwhile * options_.budgetSeconds;
      if (open.empty() || !time) break;
      if (auto good = pass(open); !good) return good;
      more = tools_.journal.size() > known || std::any_of(open.begin(), open.end(), finished);  // else it would be so again
    }
    for (size_t i = 0; i < outcomes_.size() && !end_.asked(); ++i)
      if (outcomes_[i].unconfirmed)
        if (auto good = confirm(tools_, workload_.items[i], options_, end_, outcomes_[i]); !good) return good;
    return {};
  }
  std::vector<TuneOutcome> takeOutcomes() { return std::move(outcomes_); }

private:
  bool limited() const { return options_.budgetSeconds > 0; }
  /// Of the budget, for the winners to meet the defaults once more.
  double meetings() const {
    constexpr double kPart = 0.08;
    return kPart * options_.budgetSeconds;
  }
  bool known(size_t i) {
    const WorkloadItem& item = workload_.items[i];
    if (options_.retune || !alreadyTuned(tools_.library, item.op, options_.effort)) return false;
    std::string elsewhere = otherRegime(tools_.library, tools_.journal, item);
    if (options_.regimeGiven && !elsewhere.empty()) return false;
    outcomes_[i] = knownBefore(tools_.library, item);
    outcomes_[i].tunedAt = elsewhere;
    outcomes_[i].unconfirmed = options_.effort != Effort::Estimate && awaitsMeeting(tools_.library, tools_.journal, item);
    return true;
  }
  /// Each of these once, for its share of what is left.
  Result<void> pass(const std::vector<size_t>& open) {
    std::vector<double> weights;
    for (size_t i : open) weights.push_back(weights_[i]);
    for (size_t at = 0; at < open.size() && !end_.asked(); ++at) {
      size_t i = open[at];
      const WorkloadItem& item = workload_.items[i];
      double left = limited() ? end_.secondsLeft() : 0;
      Stop share = limited() ? end_.within(shareOf(weights, at, left - meetings())) : end_;
      double pace = at == 0 ? 0 : (nowSeconds() - start_) / static_cast<double>(at) * static_cast<double>(open.size() - at);
      TuneProgress progress{i, workload_.items.size(), text(item.op), 0, 0, 1, limited() ? left : pace};
      auto outcome = tuneOne(tools_, space_, item, options_, {share, end_}, progress);
      if (!outcome) return outcome.error();
      outcome->unconfirmed = options_.effort != Effort::Estimate && outcome->reached && outcome->speedup != 1;
      bool less = !outcome->finished && outcomes_[i].candidates.size() > outcome->candidates.size();  // than a pass before this one
      if (!less) outcomes_[i] = std::move(*outcome);
    }
    return {};
  }

  OpContest::Tools tools_;
  const SearchSpace& space_;
  const Workload& workload_;
  const TuneOptions& options_;
  Stop end_;
  std::vector<double> weights_;
  double start_;
  std::vector<TuneOutcome> outcomes_;
};

}  // namespace

Journal journalOf(const KernelLibrary& library) {
  auto journal = Journal::open(library.cache().enabled() ? library.cache().directories()[0] : "");
  if (journal) return std::move(*journal);
  logWarning(journal.error().message + "; it is not used");
  return *Journal::open("");
}

Result<TuneOutcome> tuneOp(KernelLibrary& library, const SearchSpace& space, const WorkloadItem& item, const TuneOptions& options) {
  Stop stop = options.stop;
  if (options.budgetSeconds > 0) stop = stop.within(options.budgetSeconds);
  Journal own = options.journal == nullptr ? journalOf(library) : Journal();
  CompilePool pool(library, usableCpus());
  Ceilings core = options.core;
  return tuneOne({library, pool, options.journal == nullptr ? own : *options.journal, core}, space, item, options, {stop, stop},
                 {0, 1, text(item.op), 0, 0, 1, 0});
}

Result<std::vector<TuneOutcome>> tuneWorkload(KernelLibrary& library, const SearchSpace& space, Workload workload,
                                              const TuneOptions& options) {
  std::stable_sort(workload.items.begin(), workload.items.end(),
                   [](const WorkloadItem& a, const WorkloadItem& b) { return a.priority > b.priority; });
  Journal own = options.journal == nullptr ? journalOf(library) : Journal();
  CompilePool pool(library, usableCpus());
  Ceilings core = options.core;
  WorkloadRun run({library, pool, options.journal == nullptr ? own : *options.journal, core}, space, workload, options);
  if (auto good = run.all(); !good) return good.error();
  return run.takeOutcomes();
}

Result<void> pinSchedule(KernelLibrary& library, const OpDesc& op, const std::string& schedule, const Stop& stop) {
  auto parsed = parseSchedule(schedule, op, library.target());
  if (!parsed) return parsed.error();
  TuningRecord record{TuningRecord::Kind::Pinned, text(op), tuningCpu(library.target()), text(*parsed), 1, 0, 0, "-", timestamp(), {}};
  // With it goes what a pinned schedule runs for small calls.
  ScheduleChoice choice{*parsed, "pinned", defaultSizeClasses(op, *parsed, library.target())};
  if (auto good = certify(library, op, choice, text(record), stop); !good) return good;
  return library.tuning().add(record);
}

Result<void> unpinSchedule(KernelLibrary& library, const OpDesc& op) {
  return library.tuning().add({TuningRecord::Kind::Unpinned, text(op), tuningCpu(library.target()), "", 1, 0, 0, "-", timestamp(), {}});
}

}  // namespace quern
