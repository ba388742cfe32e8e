// tuner/OpContest.cpp — see OpContest.h.
#include "tuner/OpContest.h"

#include "compiler/base/Log.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

/// A ratio's upper end must lie below this to count as a win.
static constexpr double kClearWin = 0.985;

EffortPlan planOf(Effort effort) {
  switch (effort) {
    case Effort::Estimate: return {2, 0, 0, 0};
    case Effort::Measure: return {16, 1, 0.02, 4};
    case Effort::Patient: return {60, 3, 0.08, 16};
    case Effort::Exhaustive: break;
  }
  return {1000000, 10, 0.08, 1000000};
}

/// Calls of more than some hundredths of a second.
static bool isLong(const OpDesc& bound) {
  constexpr double kManyFlops = 1e9, kManyBytes = 2e8;
  return flopsOf(bound) > kManyFlops || minBytesOf(bound) > kManyBytes;
}

OpContest::OpContest(KernelLibrary& library, const WorkloadItem& item, const TuneOptions& options, const TuneTimes& times)
    : library_(library),
      item_(item),
      options_(options),
      times_(times),
      long_(isLong(fixed(item.op, item.sample))),
      operands_(item.op, item.sample, times.all) {
  outcome_.op = text(item_.op);
}

Result<TuneOutcome> OpContest::unprepared(const Error& why) {
  if (why.code != kStopped) return why;
  outcome_.reached = outcome_.finished = false;
  return outcome_;
}

Result<TuneOutcome> OpContest::run(const SearchSpace& space, const std::optional<Schedule>& before, TuneProgress progress) {
  Schedule base = defaultSchedule(item_.op, library_.target());
  if (auto ready = prepare(base); !ready) return unprepared(ready.error());
  bool given = !options_.candidates.empty();
  std::vector<Candidate> candidates =
      given ? givenCandidates(base) : candidatesOf(space, item_.op, item_.sample, library_.target(), times_.candidates);
  first_ = candidates[0];
  seen_ = {text(first_.schedule)};
  EffortPlan plan = planOf(options_.effort);
  candidates.erase(candidates.begin());
  if (!given) candidates.resize(std::min(candidates.size(), plan.candidates - 1));
  if (before && *before != first_.schedule) {
    std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.schedule == *before; });
    candidates.insert(candidates.begin(), {*before, costOf(*before, fixed(item_.op, item_.sample), library_.target())});
  }
  meetAll(candidates, progress);
  for (int round = 0; !given && round < plan.rounds && outcome_.finished; ++round) {
    std::string winner = outcome_.schedule;
    // Each key around the winner so far; a win moves on from there.
    meetAll(neighboursOf(space, bestSchedule_, item_.op, item_.sample, library_.target(), seen_, times_.candidates), progress);
    if (outcome_.schedule == winner) break;
  }
  outcome_.finished = outcome_.finished && !times_.candidates.asked();
  decide(first_.schedule);
  return outcome_;
}

/// The default, then what was given, in its order, each once.
std::vector<Candidate> OpContest::givenCandidates(const Schedule& base) const {
  OpDesc bound = fixed(item_.op, item_.sample);
  std::vector<Candidate> candidates = {{base, costOf(base, bound, library_.target())}};
  for (const Schedule& schedule : options_.candidates) {
    bool known = std::any_of(candidates.begin(), candidates.end(), [&](const Candidate& each) { return each.schedule == schedule; });
    if (!known) candidates.push_back({schedule, costOf(schedule, bound, library_.target())});
  }
  return candidates;
}

Result<TuneOutcome> OpContest::runNarrow(std::vector<Candidate> candidates, const Schedule& base, TuneProgress progress) {
  first_ = {base, costOf(base, fixed(item_.op, item_.sample), library_.target())};
  if (auto ready = prepare(base); !ready) return unprepared(ready.error());
  candidates.resize(std::min(candidates.size(), planOf(options_.effort).narrow));
  meetAll(candidates, progress);
  decide(base);
  return outcome_;
}

Result<TuneOutcome> OpContest::runAgain(const Schedule& winner) {
  Schedule base = defaultSchedule(item_.op, library_.target());
  first_ = {base, 1};
  if (auto ready = prepare(base); !ready) return unprepared(ready.error());
  auto kernel = library_.get(item_.op, winner, times_.all);
  if (!kernel) return kernel.error();
  auto call = operands_.bind(*kernel);
  if (!call) return call.error();
  crown(winner, std::move(*call));
  decide(base);
  return outcome_;
}

TuningRecord OpContest::record() const {
  return {TuningRecord::Kind::Tuned,
          outcome_.op,
          tuningCpu(library_.target()),
          outcome_.schedule,
          outcome_.speedup,
          outcome_.medianNs,
          static_cast<int64_t>(outcome_.candidates.size()),
          std::string(!outcome_.finished            ? kPartialEffort
                      : options_.candidates.empty() ? text(options_.effort)
                                                    : kGivenEffort),
          timestamp(),
          0};
}

Result<void> OpContest::prepare(const Schedule& schedule) {
  auto kernel = library_.get(item_.op, schedule, times_.all);
  if (!kernel) return kernel.error();
  auto bits = BitReference::make(*kernel, item_.op, item_.sample, times_.all);
  if (!bits) return bits.error();
  bits_ = std::move(*bits);
  auto call = operands_.bind(*kernel);
  if (!call) return call.error();
  best_ = std::make_unique<KernelCall>(*call);
  baseline_ = std::make_unique<KernelCall>(std::move(*call));
  outcome_.schedule = text(schedule);
  bestSchedule_ = schedule;
  return {};
}

void OpContest::meetAll(const std::vector<Candidate>& candidates, TuneProgress& progress) {
  progress.candidates += candidates.size();
  for (const Candidate& candidate : candidates) {
    if (times_.candidates.asked()) {
      outcome_.finished = false;
      return;
    }
    ++progress.candidate;
    progress.speedup = outcome_.speedup;
    if (options_.progress) options_.progress(progress);
    CandidateResult result{text(candidate.schedule), candidate.cost.cycles / std::max(1e-30, first_.cost.cycles), 0, ""};
    result.outcome = meet(candidate, result.ratio);
    if (result.outcome.empty()) {  // cut short: the next run meets it
      outcome_.finished = false;
      return;
    }
    seen_.insert(result.schedule);
    logLine(LogTopic::Tune, fmt::format("{} | {}: {} ({:.3f})", outcome_.op, result.schedule, result.outcome, result.ratio));
    outcome_.candidates.push_back(std::move(result));
  }
}

/// Compiles, verifies, times. Returns what became of it; nothing where time was over before that was known.
std::string OpContest::meet(const Candidate& candidate, double& ratio) {
  const Stop& stop = times_.candidates;
  auto kernel = library_.tryOut(item_.op, candidate.schedule, stop);
  if (!kernel) return stop.asked() ? "" : "not compiled: " + kernel.error().message;
  auto wrong = bits_.differs(*kernel, stop);
  if (!wrong) return stop.asked() ? "" : "not run: " + wrong.error().message;
  if (!wrong->empty()) return "wrong: " + *wrong;
  auto call = operands_.bind(*kernel);
  if (!call) return "not run: " + call.error().message;
  if (options_.effort == Effort::Estimate) {
    if (candidate.cost.cycles >= first_.cost.cycles) return "predicted slower";
    crown(candidate.schedule, std::move(*call));
    return "won";
  }
  PairTiming timing = contest(*best_, *call, stop);
  if (stop.asked()) return "";
  ratio = timing.ratio.median;
  // Only a clear win changes the incumbent: the whole interval below one, and by more than drift would give.
  if (timing.ratio.high >= kClearWin) return timing.ratio.low > 1 ? "slower" : "no difference";
  crown(candidate.schedule, std::move(*call));
  return "won";
}

PairTiming OpContest::contest(KernelCall& a, KernelCall& b, const Stop& stop, double longer) {
  double seconds = planOf(options_.effort).contestSeconds * longer;
  if (options_.timePair) return options_.timePair(a, b, seconds);
  TaskRunner pieces = inPieces(stop);
  auto timed = [&](KernelCall& call) -> TimedCall {
    if (long_) return [&] { call.run(pieces); };
    return [&] { call.run(); };
  };
  double began = nowSeconds(), had = threadSeconds();
  PairTiming timing = timePair(timed(a), timed(b), seconds, 1.1, {}, stop);
  outcome_.timedSeconds += nowSeconds() - began;
  outcome_.coreSeconds += threadSeconds() - had;
  return timing;
}

void OpContest::crown(const Schedule& schedule, KernelCall call) {
  best_ = std::make_unique<KernelCall>(std::move(call));
  bestSchedule_ = schedule;
  outcome_.schedule = text(schedule);
}

/// The winner meets `base` once more: longer than in the contests, because this decides what runs. Without evidence the base stays.
void OpContest::decide(const Schedule& base) {
  if (options_.effort == Effort::Estimate) return;
  constexpr double kFinal = 4;
  bool isBase = bestSchedule_ == base;
  PairTiming timing = contest(*baseline_, *best_, times_.all, isBase ? 1 : kFinal);
  bool cut = times_.all.asked();
  outcome_.finished = outcome_.finished && !cut;
  outcome_.medianNs = cut ? 0 : timing.b.median;
  outcome_.speedup = isBase || cut ? 1 : 1 / timing.ratio.median;
  if (isBase || (!cut && timing.ratio.high < kClearWin)) return;
  bestSchedule_ = base;
  outcome_.schedule = text(base);
  outcome_.speedup = 1;
  outcome_.medianNs = cut ? 0 : timing.a.median;
}

}  // namespace quern
