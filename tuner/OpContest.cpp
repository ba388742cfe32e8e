// tuner/OpContest.cpp — see OpContest.h.
#include "tuner/OpContest.h"

#include "compiler/base/Log.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

EffortPlan planOf(Effort effort) {
  switch (effort) {
    case Effort::Estimate: return {2, 0, 0, 0, 0};
    case Effort::Measure: return {16, 1, 0.05, 0.3, 4};
    case Effort::Patient: return {60, 3, 0.2, 1, 16};
    case Effort::Exhaustive: break;
  }
  return {1000000, 10, 0.2, 1, 1000000};
}

OpContest::OpContest(KernelLibrary& library, CompilePool& pool, const WorkloadItem& item, const TuneOptions& options,
                     const TuneTimes& times)
    : library_(library), pool_(pool), item_(item), options_(options), times_(times), operands_(item.op, item.sample, times.all) {
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
  EffortPlan plan = planOf(options_.effort);
  baseCycles_ = candidates[0].cost.cycles;
  candidates.erase(candidates.begin());
  if (!given) candidates.resize(std::min(candidates.size(), plan.candidates - 1));
  if (before && *before != base) {
    std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.schedule == *before; });
    candidates.insert(candidates.begin(), {*before, costOf(*before, fixed(item_.op, item_.sample), library_.target())});
  }
  bool whole = stage(candidates, progress);
  for (int round = 0; whole && !given && round < plan.rounds; ++round) {
    Schedule center = winner_;
    // Each key around the winner so far; a win moves on from there.
    whole = stage(neighboursOf(space, winner_, item_.op, item_.sample, library_.target(), seen_, times_.candidates), progress);
    if (winner_ == center) break;
  }
  outcome_.finished = whole && !times_.candidates.asked();
  return ended();
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
  if (auto ready = prepare(base); !ready) return unprepared(ready.error());
  candidates.resize(std::min(candidates.size(), planOf(options_.effort).narrow));
  outcome_.finished = stage(candidates, progress);
  return ended();
}

Result<TuneOutcome> OpContest::runAgain(const Schedule& winner) {
  if (auto ready = prepare(defaultSchedule(item_.op, library_.target())); !ready) return unprepared(ready.error());
  TuneProgress progress;
  outcome_.finished = admit(std::vector<Candidate>{{winner, {}}}, progress);
  if (!entrants_.empty()) best_ = entrants_.front();
  return ended();
}

Result<TuneOutcome> OpContest::ended() {
  if (broken_) return *broken_;
  if (auto good = decide(); !good) return good.error();
  outcome_.schedule = text(winner_);
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
  worker_ = std::make_unique<TrialWorker>(KernelSet(*kernel), item_.op, item_.sample, operands_, bits_,
                                          TrialOptions{options_.patienceSeconds, options_.plant});
  base_ = winner_ = schedule;
  baseCycles_ = costOf(schedule, fixed(item_.op, item_.sample), library_.target()).cycles;
  seen_ = {text(schedule)};
  outcome_.schedule = text(schedule);
  return {};
}

bool OpContest::stage(const std::vector<Candidate>& candidates, TuneProgress& progress) {
  EffortPlan plan = planOf(options_.effort);
  HalvingRules rules;
  rules.mostPairs = affordable(plan.longestSeconds, 2 * rules.firstPairs, rules.mostPairs);
  halving_ = std::make_unique<Halving>(rules);
  entrants_.clear();
  if (best_) {  // times drift: it meets the newcomers now
    entrants_.push_back(*best_);
    halving_->join();
  }
  progress.candidates += candidates.size();
  constexpr size_t kBatch = 16;
  bool whole = true;
  for (size_t at = 0; whole && at < candidates.size(); at += kBatch) {
    whole = admit({candidates.data() + at, std::min(kBatch, candidates.size() - at)}, progress);
    whole = runTurns(true) && whole;
  }
  whole = whole && runTurns(false);
  settle();
  return whole;
}

bool OpContest::admit(std::span<const Candidate> batch, TuneProgress& progress) {
  std::vector<Schedule> schedules;
  for (const Candidate& candidate : batch) schedules.push_back(candidate.schedule);
  bool first = objects_.empty();
  if (first) schedules.push_back(base_);  // to know its code by
  std::vector<Result<KernelArtifact>> compiled = pool_.compile(item_.op, schedules, times_.candidates);
  if (first && compiled.back()) objects_.emplace(compiled.back()->object, "the default");
  for (size_t i = 0; i < batch.size(); ++i) {
    ++progress.candidate;
    progress.speedup = outcome_.speedup;
    if (options_.progress) options_.progress(progress);
    if (times_.candidates.asked()) return false;
    CandidateResult result{text(schedules[i]), batch[i].cost.cycles / std::max(1e-30, baseCycles_), {}, 0, ""};
    if (!compiled[i]) {
      result.outcome = "not compiled: " + compiled[i].error().message;
    } else if (auto same = objects_.find(compiled[i]->object); same != objects_.end()) {
      result.outcome = "same code as " + same->second;
    } else {
      auto wrong = worker_->check(*compiled[i], times_.candidates);
      if (!wrong && times_.candidates.asked()) return false;  // the next run meets it
      if (!wrong) return broken_ = wrong.error(), false;
      result.outcome = wrong->empty() || wrong->starts_with("wrong") ? *wrong : "failed: " + *wrong;
      objects_.emplace(compiled[i]->object, result.schedule);
    }
    seen_.insert(result.schedule);
    outcome_.candidates.push_back(result);
    if (!result.outcome.empty()) {
      logLine(LogTopic::Tune, fmt::format("{} | {}: {}", outcome_.op, result.schedule, result.outcome));
      continue;
    }
    entrants_.push_back({schedules[i], std::move(*compiled[i]), outcome_.candidates.size() - 1});
    if (halving_) halving_->join();
  }
  return true;
}

bool OpContest::runTurns(bool more) {
  if (options_.effort == Effort::Estimate) return true;
  while (auto turn = halving_->next(more)) {
    if (times_.candidates.asked()) return false;
    Entrant& entrant = entrants_[turn->who];
    auto samples = timed(&entrant.kernel, turn->pairs);
    if (!samples && times_.candidates.asked()) return false;
    if (!samples && samples.error().code != ErrorCode::Internal) return broken_ = samples.error(), false;
    if (!samples) {
      halving_->leave(turn->who);
      outcome_.candidates[entrant.result].outcome = "failed: " + samples.error().message;
      continue;
    }
    halving_->took(turn->who, ratiosOf(*samples));
  }
  return true;
}

/// After a stage: who is the best so far, and what is known of the others.
void OpContest::settle() {
  if (options_.effort == Effort::Estimate) {
    for (Entrant& entrant : entrants_) {
      bool better = outcome_.candidates[entrant.result].predicted < 1 && !best_;
      outcome_.candidates[entrant.result].outcome = better ? "won" : "predicted slower";
      if (better) best_ = entrant, winner_ = entrant.schedule;
    }
    return;
  }
  auto first = halving_->best();
  bool better = first && halving_->ratio(*first).median < 1;
  for (size_t who = 0; who < entrants_.size(); ++who) {
    CandidateResult& result = outcome_.candidates[entrants_[who].result];
    if (result.outcome.starts_with("failed")) continue;
    result.ratio = halving_->ratio(who);
    result.pairs = static_cast<int>(halving_->ratios(who).size());
    result.outcome = result.pairs == 0 ? "not timed" : result.ratio.low > 1 ? "slower" : result.ratio.high < 1 ? "beaten" : "no difference";
    logLine(LogTopic::Tune, fmt::format("{} | {}: {} ({:.3f}, {:.3f} to {:.3f})", outcome_.op, result.schedule, result.outcome,
                                        result.ratio.median, result.ratio.low, result.ratio.high));
  }
  best_.reset();
  winner_ = base_;
  if (!better) return;
  best_ = entrants_[*first];
  winner_ = best_->schedule;
  outcome_.speedup = 1 / halving_->ratio(*first).median;
}

Result<PairSamples> OpContest::timed(const KernelArtifact* challenger, int pairs) {
  Result<PairSamples> samples = options_.timePairs
                                    ? options_.timePairs(text(base_), challenger == nullptr ? text(base_) : challenger->key.schedule, pairs)
                                    : worker_->time(challenger, pairs, times_.all);
  if (!samples) return samples;
  if (times_.all.asked()) return stoppedError(outcome_.op);
  outcome_.timedSeconds += samples->wallSeconds;
  outcome_.coreSeconds += samples->coreSeconds;
  baseNs_ = spreadOf(samples->a).median;
  return samples;
}

/// Pairs of blocks that fit into so many seconds, as the base was timed last.
int OpContest::affordable(double seconds, int least, int most) const {
  double pair = 2 * std::max(kBlockSeconds, baseNs_ * 1e-9);
  return static_cast<int>(std::clamp(seconds / pair, static_cast<double>(least), static_cast<double>(most)));
}

/// The winner meets the base once more: verified on other data than before, and timed until it is decided. Without evidence the base stays.
Result<void> OpContest::decide() {
  if (options_.effort == Effort::Estimate) return {};
  if (best_) {
    auto wrong = worker_->checkAgain(best_->kernel, best_->schedule, times_.all);
    if (!wrong && !times_.all.asked()) return wrong.error();
    CandidateResult& result = outcome_.candidates[best_->result];
    if (wrong && !wrong->empty()) {
      result.outcome = wrong->starts_with("wrong") ? *wrong : "failed: " + *wrong;
      logWarning(fmt::format("{} | {}: {}, after it was timed", outcome_.op, result.schedule, result.outcome));
      best_.reset();
    }
  }
  if (!best_) return baseStays(), Result<void>();
  auto verdict = duel(best_->kernel);
  if (!verdict && verdict.error().code != kStopped) return verdict.error();
  CandidateResult& result = outcome_.candidates[best_->result];
  if (verdict && *verdict == Verdict::Faster) {
    winner_ = best_->schedule;
    result.outcome = "won";
    return {};
  }
  outcome_.finished = outcome_.finished && verdict;
  best_.reset();
  baseStays();
  return {};
}

/// Not compared any more: what one call of it takes.
void OpContest::baseStays() {
  winner_ = base_;
  outcome_.speedup = 1;
  constexpr int kPairs = 5;
  auto samples = timed(nullptr, kPairs);
  outcome_.medianNs = samples ? spreadOf(samples->a).median : 0;
  outcome_.finished = outcome_.finished && samples;
}

Result<Verdict> OpContest::duel(const KernelArtifact& challenger) {
  DuelRules rules;
  rules.mostPairs = affordable(planOf(options_.effort).duelSeconds, rules.leastPairs, rules.mostPairs);
  Duel duel(rules);
  std::vector<double> ns;
  while (int pairs = duel.wants()) {
    auto samples = timed(&challenger, pairs);
    if (!samples) return samples.error();
    duel.took(ratiosOf(*samples));
    ns.insert(ns.end(), samples->b.begin(), samples->b.end());
  }
  outcome_.medianNs = spreadOf(ns).median;
  outcome_.speedup = 1 / duel.ratio().median;
  outcome_.ratio = duel.ratio();
  return duel.verdict();
}

}  // namespace quern
