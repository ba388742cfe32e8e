// tuner/Tuner.cpp — see Tuner.h.
#include "tuner/Tuner.h"

#include "compiler/base/Log.h"
#include "compiler/base/Text.h"
#include "tuner/Contest.h"
#include "tuner/CostModel.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <fmt/format.h>
#include <set>

namespace quern {

static constexpr std::array<std::string_view, 4> kEfforts = {"estimate", "measure", "patient", "exhaustive"};

std::string_view text(Effort effort) { return kEfforts[static_cast<size_t>(effort)]; }

Result<Effort> parseEffort(const std::string& given) {
  for (size_t i = 0; i < kEfforts.size(); ++i)
    if (kEfforts[i] == given) return static_cast<Effort>(i);
  return badCommand(fmt::format("--effort {}: efforts are estimate, measure, patient, exhaustive", escaped(given)));
}

std::string timestamp() {
  std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

namespace {

/// A ratio's upper end must lie below this to count as a win.
constexpr double kClearWin = 0.985;

/// Candidates timed, rounds of neighbours tried around the winner, and seconds for one contest.
struct EffortPlan {
  size_t candidates;
  int rounds;
  double contestSeconds;
  size_t narrow;  ///< candidates for each number of few rows
};
EffortPlan planOf(Effort effort) {
  switch (effort) {
    case Effort::Estimate: return {2, 0, 0, 0};
    case Effort::Measure: return {16, 1, 0.02, 4};
    case Effort::Patient: return {60, 3, 0.08, 16};
    case Effort::Exhaustive: break;
  }
  return {1000000, 10, 0.08, 1000000};
}

bool outOfTime(const TuneOptions& options, double deadline) {
  return (options.stop != nullptr && *options.stop) || (deadline > 0 && options.clock() >= deadline);
}

/// One op being tuned: the incumbent meets the candidates in the order of their predicted cost.
class OpContest {
public:
  OpContest(KernelLibrary& library, const WorkloadItem& item, const TuneOptions& options, double deadline)
      : library_(library), item_(item), options_(options), deadline_(deadline), operands_(fixed(item.op, item.sample)) {}

  Result<TuneOutcome> run(const SearchSpace& space, TuneProgress progress) {
    outcome_.op = text(item_.op);
    std::vector<Candidate> candidates = candidatesOf(space, item_.op, item_.sample, library_.target());
    first_ = candidates[0];
    seen_ = {text(first_.schedule)};
    auto ready = prepare(first_.schedule);
    if (!ready) return ready.error();
    EffortPlan plan = planOf(options_.effort);
    candidates.erase(candidates.begin());
    candidates.resize(std::min(candidates.size(), plan.candidates - 1));
    meetAll(candidates, progress);
    for (int round = 0; round < plan.rounds && outcome_.finished; ++round) {
      std::string before = outcome_.schedule;
      // Each key around the winner so far; a win moves on from there.
      meetAll(neighboursOf(space, bestSchedule_, item_.op, item_.sample, library_.target(), seen_), progress);
      if (outcome_.schedule == before) break;
    }
    return keep();
  }

  /// As run, from `base` instead of the default, over these candidates only; nothing is recorded.
  Result<TuneOutcome> runNarrow(std::vector<Candidate> candidates, const Schedule& base, TuneProgress progress) {
    outcome_.op = text(item_.op);
    first_ = {base, predictedCost(base, fixed(item_.op, item_.sample), library_.target())};
    if (auto ready = prepare(base); !ready) return ready.error();
    candidates.resize(std::min(candidates.size(), planOf(options_.effort).narrow));
    meetAll(candidates, progress);
    decide(base);
    return outcome_;
  }

  /// `winner` against the default, nothing else; nothing is recorded.
  Result<TuneOutcome> runAgain(const Schedule& winner) {
    outcome_.op = text(item_.op);
    Schedule base = defaultSchedule(item_.op, library_.target());
    first_ = {base, 1};
    if (auto ready = prepare(base); !ready) return ready.error();
    auto kernel = library_.get(item_.op, winner);
    if (!kernel) return kernel.error();
    auto call = operands_.bind(*kernel, item_.sample);
    if (!call) return call.error();
    crown(winner, std::move(*call));
    decide(base);
    return outcome_;
  }

  TuningRecord record() const {
    return {TuningRecord::Kind::Tuned,
            outcome_.op,
            tuningCpu(library_.target()),
            outcome_.schedule,
            outcome_.speedup,
            outcome_.medianNs,
            static_cast<int64_t>(outcome_.candidates.size()),
            std::string(text(options_.effort)),
            timestamp(),
            0};
  }

private:
  Result<void> prepare(const Schedule& schedule) {
    auto kernel = library_.get(item_.op, schedule);
    if (!kernel) return kernel.error();
    auto bits = BitReference::make(*kernel, item_.op, item_.sample);
    if (!bits) return bits.error();
    bits_ = std::move(*bits);
    auto call = operands_.bind(*kernel, item_.sample);
    if (!call) return call.error();
    best_ = std::make_unique<KernelCall>(*call);
    baseline_ = std::make_unique<KernelCall>(std::move(*call));
    outcome_.schedule = text(schedule);
    bestSchedule_ = schedule;
    return {};
  }

  void meetAll(const std::vector<Candidate>& candidates, TuneProgress& progress) {
    progress.candidates += candidates.size();
    for (const Candidate& candidate : candidates) {
      if (outOfTime(options_, deadline_)) {
        outcome_.finished = false;
        return;
      }
      ++progress.candidate;
      progress.speedup = outcome_.speedup;
      if (options_.progress) options_.progress(progress);
      seen_.insert(text(candidate.schedule));
      CandidateResult result{text(candidate.schedule), candidate.predicted / std::max(1e-30, first_.predicted), 0, ""};
      result.outcome = meet(candidate, result.ratio);
      logLine(LogTopic::Tune, fmt::format("{} | {}: {} ({:.3f})", outcome_.op, result.schedule, result.outcome, result.ratio));
      outcome_.candidates.push_back(std::move(result));
    }
  }

  /// Compile, verify, time. Returns what became of it.
  std::string meet(const Candidate& candidate, double& ratio) {
    auto kernel = library_.tryOut(item_.op, candidate.schedule);
    if (!kernel) return "not compiled: " + kernel.error().message;
    auto wrong = bits_.differs(*kernel);
    if (!wrong) return "not run: " + wrong.error().message;
    if (!wrong->empty()) return "wrong: " + *wrong;
    auto call = operands_.bind(*kernel, item_.sample);
    if (!call) return "not run: " + call.error().message;
    if (options_.effort == Effort::Estimate) {
      if (candidate.predicted >= first_.predicted) return "predicted slower";
      crown(candidate.schedule, std::move(*call));
      return "won";
    }
    PairTiming timing = contest(*best_, *call);
    ratio = timing.ratio.median;
    // Only a clear win changes the incumbent: the whole interval below one, and by more than drift would give.
    if (timing.ratio.high >= kClearWin) return timing.ratio.low > 1 ? "slower" : "no difference";
    crown(candidate.schedule, std::move(*call));
    return "won";
  }

  PairTiming contest(KernelCall& a, KernelCall& b, double longer = 1) const {
    double seconds = planOf(options_.effort).contestSeconds * longer;
    if (options_.timePair) return options_.timePair(a, b, seconds);
    return timePair([&] { a.run(); }, [&] { b.run(); }, seconds, 1.1);
  }

  void crown(const Schedule& schedule, KernelCall call) {
    best_ = std::make_unique<KernelCall>(std::move(call));
    bestSchedule_ = schedule;
    outcome_.schedule = text(schedule);
  }

  /// The winner meets `base` once more: longer than in the contests, because this decides what runs.
  void decide(const Schedule& base) {
    if (options_.effort == Effort::Estimate) return;
    constexpr double kFinal = 4;
    bool isBase = bestSchedule_ == base;
    PairTiming timing = contest(*baseline_, *best_, isBase ? 1 : kFinal);
    outcome_.medianNs = timing.b.median;
    outcome_.speedup = isBase ? 1 : 1 / timing.ratio.median;
    if (isBase || timing.ratio.high < kClearWin) return;
    bestSchedule_ = base;  // the crown was luck: without evidence the base stays
    outcome_.schedule = text(base);
    outcome_.speedup = 1;
    outcome_.medianNs = timing.a.median;
  }

  Result<TuneOutcome> keep() {
    decide(first_.schedule);
    TuningRecord record = this->record();
    bool tried = outcome_.finished || !outcome_.candidates.empty();  // else the next run begins with this op
    bool timed = options_.effort != Effort::Estimate;                // an estimate is no decision about this CPU
    if (!library_.cache().enabled() || !tried || !timed) return std::move(outcome_);
    if (auto good = library_.tuning().add(record); !good) return good.error();
    if (auto kept = library_.get(item_.op, bestSchedule_); !kept) return kept.error();
    auto artifact = library_.cache().find(kernelKey(item_.op, bestSchedule_, library_.target()));
    if (artifact) {
      artifact->certificate = bits_.certificate();
      artifact->tuning = text(record);
      if (auto good = library_.store(*artifact); !good) return good.error();
    }
    return std::move(outcome_);
  }

  KernelLibrary& library_;
  const WorkloadItem& item_;
  const TuneOptions& options_;
  double deadline_;
  TimingOperands operands_;
  BitReference bits_;
  std::unique_ptr<KernelCall> baseline_, best_;
  Candidate first_;             ///< the default
  std::set<std::string> seen_;  ///< schedules met
  Schedule bestSchedule_;
  TuneOutcome outcome_;
};

/// Rows at which few-row schedules are tried; each decides for the rows above the one before.
constexpr int64_t kFewRows[] = {1, 2, 4, 8, 16};

/// For an op with row classes, after its own contest: at each of kFewRows the winner meets what may be faster there. The records
/// of the last rows where nothing is are left out: beyond them the winner runs.
Result<void> tuneRowClasses(KernelLibrary& library, const SearchSpace& space, const WorkloadItem& item, const TuneOptions& options,
                            double deadline, TuneProgress progress) {
  std::string rowDim = rowDimOf(item.op);
  if (rowDim.empty() || options.effort == Effort::Estimate || !library.cache().enabled()) return {};
  auto base = library.choose(item.op);
  if (!base) return base.error();
  std::vector<TuningRecord> records;
  size_t needed = 0;
  for (int64_t rows : kFewRows) {
    if (outOfTime(options, deadline)) break;
    WorkloadItem few = item;
    few.sample[rowDim] = rows;
    OpContest contest(library, few, options, deadline);
    auto outcome =
        contest.runNarrow(narrowCandidatesOf(space, base->schedule, few.op, few.sample, library.target()), base->schedule, progress);
    if (!outcome) return outcome.error();
    TuningRecord record = contest.record();
    record.rows = rows;
    records.push_back(std::move(record));
    if (outcome->schedule != text(base->schedule)) needed = records.size();
  }
  records.resize(needed);
  for (const TuningRecord& record : records)
    if (auto good = library.tuning().add(record); !good) return good;
  auto kept = library.get(item.op);  // compiled and stored now, not in the first run
  return kept ? Result<void>() : Result<void>(kept.error());
}

Result<TuneOutcome> tuneOne(KernelLibrary& library, const SearchSpace& space, const WorkloadItem& item, const TuneOptions& options,
                            double deadline, const TuneProgress& progress) {
  auto outcome = OpContest(library, item, options, deadline).run(space, progress);
  if (!outcome) return outcome;
  if (auto good = tuneRowClasses(library, space, item, options, deadline, progress); !good) return good.error();
  return outcome;
}

/// Meets the default once more, some time later and on fresh operands: whether a schedule wins may hang on which pages its weights
/// got and on what else ran. One that no longer does gives way to the default.
Result<void> confirm(KernelLibrary& library, const WorkloadItem& item, const TuneOptions& options, TuneOutcome& outcome) {
  Schedule base = defaultSchedule(item.op, library.target());
  auto schedule = parseSchedule(outcome.schedule, item.op, library.target());
  if (!schedule || *schedule == base) return {};
  OpContest contest(library, item, options, 0);
  auto decided = contest.runAgain(*schedule);
  if (!decided) return decided.error();
  if (decided->schedule == outcome.schedule) return {};
  logLine(LogTopic::Tune, fmt::format("{} | {}: did not win again", outcome.op, outcome.schedule));
  outcome.schedule = decided->schedule;
  outcome.speedup = 1;
  outcome.medianNs = decided->medianNs;
  if (!library.cache().enabled()) return {};
  TuningRecord record = contest.record();
  record.candidates = static_cast<int64_t>(outcome.candidates.size());
  return library.tuning().add(record);
}

/// Has this op been tuned here, on this CPU, at least as hard?
bool alreadyTuned(KernelLibrary& library, const WorkloadItem& item, Effort effort) {
  auto choice = library.tuning().choose(item.op, library.target());
  if (!choice) return false;
  auto done = parseEffort(choice->record.effort);
  return choice->pinned || (done && *done >= effort);
}

}  // namespace

Result<TuneOutcome> tuneOp(KernelLibrary& library, const SearchSpace& space, const WorkloadItem& item, const TuneOptions& options,
                           double deadline) {
  return tuneOne(library, space, item, options, deadline, {0, 1, text(item.op), 0, 0, 1, 0});
}

Result<std::vector<TuneOutcome>> tuneWorkload(KernelLibrary& library, const SearchSpace& space, Workload workload,
                                              const TuneOptions& options) {
  std::stable_sort(workload.items.begin(), workload.items.end(),
                   [](const WorkloadItem& a, const WorkloadItem& b) { return a.priority > b.priority; });
  std::vector<TuneOutcome> outcomes;
  double start = options.clock();
  double end = options.budgetSeconds > 0 ? start + options.budgetSeconds : 0;
  for (size_t i = 0; i < workload.items.size(); ++i) {
    const WorkloadItem& item = workload.items[i];
    if (options.stop != nullptr && *options.stop) break;
    if (!options.retune && alreadyTuned(library, item, options.effort)) {
      TuneOutcome skipped;
      skipped.op = text(item.op);
      skipped.skipped = true;
      outcomes.push_back(std::move(skipped));
      continue;
    }
    double now = options.clock();
    if (end > 0 && now >= end) break;
    // Every op left gets its share of the time left; what one does not use the next ones have.
    double left = end > 0 ? end - now : 0;
    auto remaining = static_cast<double>(workload.items.size() - i);
    double deadline = end > 0 ? std::min(end, now + std::max(left / remaining * 2, 0.3)) : 0;
    double pace = outcomes.empty() ? 0 : (now - start) / static_cast<double>(outcomes.size()) * remaining;
    TuneProgress progress{i, workload.items.size(), text(item.op), 0, 0, 1, end > 0 ? left : pace};
    auto outcome = tuneOne(library, space, item, options, deadline, progress);
    if (!outcome) return outcome.error();
    outcomes.push_back(std::move(*outcome));
  }
  for (size_t i = 0; i < outcomes.size() && options.effort != Effort::Estimate; ++i) {
    if (outcomes[i].skipped || outcomes[i].speedup == 1) continue;
    if ((end > 0 && options.clock() >= end) || (options.stop != nullptr && *options.stop)) break;
    if (auto good = confirm(library, workload.items[i], options, outcomes[i]); !good) return good.error();
  }
  return outcomes;
}

Result<void> pinSchedule(KernelLibrary& library, const OpDesc& op, const std::string& schedule) {
  auto parsed = parseSchedule(schedule, op, library.target());
  if (!parsed) return parsed.error();
  auto kernel = library.get(op, *parsed);
  if (!kernel) return kernel.error();
  DimValues sample;
  for (const std::string& name : runtimeDims(op)) sample[name] = 33;
  auto report = checkKernel(*kernel, op, sample, 1);
  if (!report) return report.error();
  if (!report->passed) return internalError(report->failure);
  return library.tuning().add(
      {TuningRecord::Kind::Pinned, text(op), tuningCpu(library.target()), text(*parsed), 1, 0, 0, "-", timestamp(), 0});
}

Result<void> unpinSchedule(KernelLibrary& library, const OpDesc& op) {
  return library.tuning().add({TuningRecord::Kind::Unpinned, text(op), tuningCpu(library.target()), "", 1, 0, 0, "-", timestamp(), 0});
}

}  // namespace quern
