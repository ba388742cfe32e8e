// tuner/OpContest.cpp — see OpContest.h.
#include "tuner/OpContest.h"

#include "compiler/base/Log.h"
#include "compiler/base/Sha256.h"
#include "tuner/Transfer.h"

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

static std::string hashOf(const std::string& object) {
  constexpr size_t kLetters = 16;
  auto hash = sha256(object);
  return hash ? hash->substr(0, kLetters) : object;
}

/// What the weights must be together, so that each call finds its own pushed out of the last cache by the others'.
static int64_t coldBytesOf(const WorkloadItem& item, const Target& target) {
  constexpr int64_t kLeast = int64_t{8} << 20, kMost = int64_t{256} << 20;
  return item.cacheState == CacheState::ColdWeights ? std::clamp(target.l3Bytes * 3 / 2, kLeast, kMost) : 0;
}

OpContest::OpContest(const Tools& tools, const WorkloadItem& item, const TuneOptions& options, const TuneTimes& times)
    : library_(tools.library),
      pool_(tools.pool),
      journal_(tools.journal),
      core_(tools.core),
      item_(item),
      options_(options),
      times_(times),
      operands_(item.op, item.sample, times.all, coldBytesOf(item, tools.library.target())) {
  outcome_.op = text(item_.op);
  outcome_.calls = item_.calls;
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
  std::vector<Schedule> first = given ? std::vector<Schedule>() : foundElsewhere(library_, journal_, item_.op);
  if (before && *before != base && (given || !log_->continues())) first.insert(first.begin(), *before);
  for (auto schedule = first.rbegin(); schedule != first.rend(); ++schedule) {
    std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.schedule == *schedule; });
    candidates.insert(candidates.begin(), {*schedule, costOf(*schedule, fixed(item_.op, item_.sample), library_.target()), 0, true});
  }
  bool whole = stage(candidates, given ? candidates.size() : plan.candidates - 1 + first.size(), progress);
  for (int round = 0; whole && !given && round < plan.rounds; ++round) {
    Schedule center = winner_;
    // Each key around the winner so far; a win moves on from there.
    auto around = neighboursOf(space, winner_, item_.op, item_.sample, library_.target(), seen_, times_.candidates);
    whole = stage(around, around.size(), progress);
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

Result<TuneOutcome> OpContest::runNarrow(std::vector<Candidate> candidates, const Schedule& base, const Schedule& anchor,
                                         TuneProgress progress) {
  if (auto ready = prepare(anchor, " rows"); !ready) return unprepared(ready.error());
  std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.schedule == anchor || candidate.schedule == base; });
  size_t most = std::min(candidates.size(), planOf(options_.effort).narrow);
  if (base != anchor)
    candidates.insert(candidates.begin(), {base, costOf(base, fixed(item_.op, item_.sample), library_.target()), 0, true}), ++most;
  outcome_.finished = stage(candidates, most, progress);
  return ended();
}

Result<TuneOutcome> OpContest::runAgain(const Schedule& winner) {
  if (auto ready = prepare(defaultSchedule(item_.op, library_.target()), " confirm"); !ready) return unprepared(ready.error());
  TuneProgress progress;
  outcome_.finished = admit(std::vector<Candidate>{{winner, {}}}, progress);
  if (!entrants_.empty()) best_ = entrants_.front();
  return ended();
}

Result<TuneOutcome> OpContest::ended() {
  if (broken_) return *broken_;
  if (auto good = decide(); !good) return good.error();
  outcome_.schedule = text(winner_);
  if (noise_.wallSeconds() > 0) outcome_.noise = noise_.noise().why();
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
          0,
          !outcome_.noise.empty()};
}

Result<void> OpContest::prepare(const Schedule& schedule, std::string_view part) {
  auto kernel = library_.get(item_.op, schedule, times_.all);
  if (!kernel) return kernel.error();
  auto bits = BitReference::make(*kernel, item_.op, item_.sample, times_.all);
  if (!bits) return bits.error();
  bits_ = std::move(*bits);
  worker_ = std::make_unique<TrialWorker>(KernelSet(*kernel), item_.op, item_.sample, operands_, bits_,
                                          TrialOptions{options_.patienceSeconds, options_.plant});
  part_ = part;
  base_ = winner_ = schedule;
  baseCycles_ = costOf(schedule, fixed(item_.op, item_.sample), library_.target()).cycles;
  seen_ = {text(schedule)};
  outcome_.schedule = text(schedule);
  std::string at = text(item_.sample);
  if (item_.cacheState != CacheState::Hot) at += (at.empty() ? "" : " ") + std::string(text(item_.cacheState));
  std::string_view effort = options_.candidates.empty() ? text(options_.effort) : kGivenEffort;
  log_ = std::make_shared<RunLog>(
      journal_, TuneQuestion{outcome_.op, at, text(schedule), tuningCpu(library_.target()),
                             kernelKey(item_.op, schedule, library_.target()).generator, fmt::format("{}{}", effort, part)});
  return {};
}

bool OpContest::stage(std::vector<Candidate> candidates, size_t most, TuneProgress& progress) {
  EffortPlan plan = planOf(options_.effort);
  HalvingRules rules;
  rules.mostPairs = affordable(plan.longestSeconds, 2 * rules.firstPairs, rules.mostPairs);
  halving_ = std::make_unique<Halving>(rules);
  entrants_.clear();
  if (best_) {  // times drift: it meets the newcomers now
    entrants_.push_back(*best_);
    halving_->join();
  }
  most = std::min(most, candidates.size());
  progress.candidates += most;
  for (size_t i = 0; i < candidates.size(); ++i) candidates[i].place = entrants_.size() + i;
  if (!fitted_) {
    OpDesc bound = fixed(item_.op, item_.sample);
    std::vector<OpExperience> others = experienceOf(journal_, item_.op, library_.target(), part_, log_->id());
    fitted_.emplace(FitContext{bound, base_, item_.cacheState}, std::move(others), library_.target());
  }
  constexpr size_t kBatch = 8;
  bool whole = true, given = !options_.candidates.empty();
  for (size_t at = 0; whole && at < most; at += kBatch) {
    if (!given) fitted_->sort(candidates, at);
    whole = admit({candidates.data() + at, std::min(kBatch, most - at)}, progress);
    whole = runTurns(true) && whole;
  }
  whole = whole && runTurns(false);
  settle();
  return whole;
}

/// Of each that the journal does not know: its kernel, or why there is none.
std::vector<std::optional<Result<KernelArtifact>>> OpContest::compileUnknown(const std::vector<Schedule>& schedules) {
  std::vector<Schedule> unknown;
  for (const Schedule& schedule : schedules)
    if (log_->met(text(schedule)) == nullptr) unknown.push_back(schedule);
  bool base = !baseCodeKnown_ && !unknown.empty();
  if (base) unknown.push_back(base_);  // to know its code by
  std::vector<Result<KernelArtifact>> compiled = pool_.compile(item_.op, unknown, times_.candidates);
  if (base && compiled.back()) objects_.emplace(hashOf(compiled.back()->object), "the default");
  baseCodeKnown_ = baseCodeKnown_ || base;
  std::vector<std::optional<Result<KernelArtifact>>> results;
  size_t next = 0;
  for (const Schedule& schedule : schedules) {
    results.emplace_back();
    if (log_->met(text(schedule)) == nullptr) results.back().emplace(std::move(compiled[next++]));
  }
  return results;
}

/// Is it new code, and right? False: that is not known; time is over, or the machine has no workers.
bool OpContest::judge(CandidateResult& result, const Result<KernelArtifact>& compiled) {
  if (!compiled) return result.outcome = "not compiled: " + compiled.error().message, true;
  result.object = hashOf(compiled->object);
  if (auto same = objects_.find(result.object); same != objects_.end()) return result.outcome = "same code as " + same->second, true;
  auto wrong = worker_->check(*compiled, times_.candidates);
  if (!wrong && !times_.candidates.asked()) broken_ = wrong.error();
  if (!wrong) return false;
  result.outcome = wrong->empty() || wrong->starts_with("wrong") ? *wrong : "failed: " + *wrong;
  return true;
}

bool OpContest::admit(std::span<const Candidate> batch, TuneProgress& progress) {
  std::vector<Schedule> schedules;
  for (const Candidate& candidate : batch) schedules.push_back(candidate.schedule);
  auto compiled = compileUnknown(schedules);
  for (size_t i = 0; i < batch.size(); ++i) {
    ++progress.candidate;
    progress.speedup = outcome_.speedup;
    if (options_.progress) options_.progress(progress);
    if (times_.candidates.asked()) return false;
    double predicted = batch[i].predicted > 0 ? batch[i].predicted : batch[i].cost.cycles / std::max(1e-30, baseCycles_);
    CandidateResult result{text(schedules[i]), predicted, {}, 0, "", ""};
    if (!compiled[i]) {
      const JournalLine& known = *log_->met(result.schedule);
      result.outcome = known.outcome, result.object = known.object;
    } else {
      if (!judge(result, *compiled[i])) return false;  // the next run meets it
      JournalLine line;
      line.schedule = result.schedule, line.predicted = result.predicted, line.object = result.object, line.outcome = result.outcome;
      if (!noted(log_->add(line))) return false;
    }
    if (!result.object.empty()) objects_.emplace(result.object, result.schedule);
    seen_.insert(result.schedule);
    outcome_.candidates.push_back(result);
    if (!result.outcome.empty()) {
      logLine(LogTopic::Tune, fmt::format("{} | {}: {}", outcome_.op, result.schedule, result.outcome));
      continue;
    }
    Entrant entrant{schedules[i], std::nullopt, outcome_.candidates.size() - 1};
    if (compiled[i]) entrant.kernel = std::move(**compiled[i]);
    entrants_.push_back(std::move(entrant));
    if (halving_) halving_->join(batch[i].place);
  }
  return true;
}

/// What cannot be written down ends the search: it would be lost.
bool OpContest::noted(const Result<void>& written) {
  if (!written) broken_ = written.error();
  return static_cast<bool>(written);
}

bool OpContest::runTurns(bool more) {
  if (options_.effort == Effort::Estimate) return true;
  while (auto turn = halving_->next(more)) {
    if (times_.candidates.asked()) return false;
    Entrant& entrant = entrants_[turn->who];
    auto came = timed(&entrant, turn->pairs);
    if (!came && (came.error().code == kStopped || times_.candidates.asked())) return false;
    if (!came && came.error().code != ErrorCode::Internal) return broken_ = came.error(), false;
    if (came) {
      halving_->took(turn->who, came->ratios);
      fitted_->took(entrant.schedule, halving_->ratio(turn->who), halving_->ratios(turn->who).size());
      continue;
    }
    halving_->leave(turn->who);
    CandidateResult& result = outcome_.candidates[entrant.result];
    result.outcome = "failed: " + came.error().message;
    JournalLine line;
    line.schedule = result.schedule, line.predicted = result.predicted, line.object = result.object, line.outcome = result.outcome;
    if (!noted(log_->add(line))) return false;
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
  if (first) outcome_.ratio = halving_->ratio(*first);  // where the base stays: how near the best came
  best_.reset();
  winner_ = base_;
  if (!better) return;
  best_ = entrants_[*first];
  winner_ = best_->schedule;
  outcome_.speedup = 1 / halving_->ratio(*first).median;
}

Result<const KernelArtifact*> OpContest::kernelOf(Entrant& entrant) {
  if (!entrant.kernel) {
    auto compiled = pool_.compile(item_.op, std::span(&entrant.schedule, 1), times_.all);
    if (!compiled[0]) return compiled[0].error();
    entrant.kernel = std::move(*compiled[0]);
  }
  return &*entrant.kernel;
}

/// From the journal, else from the clock and into the journal.
Result<OpContest::Turn> OpContest::timed(Entrant* challenger, int pairs) {
  std::string schedule = challenger == nullptr ? text(base_) : text(challenger->schedule);
  Turn turn;
  if (auto known = log_->nextTurn(schedule, pairs)) {
    turn = {known->ratios, known->ns};
  } else {
    auto fresh = timedNow(challenger, pairs);
    if (!fresh) return fresh;
    turn = std::move(*fresh);
    JournalLine line;
    line.kind = JournalLine::Kind::Turn;
    line.schedule = schedule, line.ratios = turn.ratios, line.ns = turn.ns;
    if (auto good = log_->add(line); !good) return good.error();
  }
  baseNs_ = turn.ns;
  return turn;
}

Result<OpContest::Turn> OpContest::timedNow(Entrant* challenger, int pairs) {
  auto samples = possibleSamples(challenger, pairs);
  if (times_.all.asked()) return stoppedError(outcome_.op);
  if (!samples) return samples.error();
  noise_.turn(samples->wallSeconds, samples->coreSeconds, samples->probeNs);
  Turn turn{ratiosOf(*samples), rounded(spreadOf(samples->a).median)};
  for (double& ratio : turn.ratios) ratio = rounded(ratio);
  return turn;
}

/// Pairs of blocks that fit into so many seconds, as the base was timed last.
int OpContest::affordable(double seconds, int least, int most) const {
  double pair = 2 * std::max(kBlockSeconds, baseNs_ * 1e-9);
  return static_cast<int>(std::clamp(seconds / pair, static_cast<double>(least), static_cast<double>(most)));
}

/// On other data than before it was timed. Empty: right.
Result<std::string> OpContest::verifiedAgain(Entrant& entrant) {
  if (auto known = log_->again(text(entrant.schedule))) return *known;
  auto kernel = kernelOf(entrant);
  if (!kernel) return kernel.error();
  auto wrong = worker_->checkAgain(**kernel, entrant.schedule, times_.all);
  if (!wrong) return wrong;
  JournalLine line;
  line.kind = JournalLine::Kind::Again;
  line.schedule = text(entrant.schedule);
  line.outcome = wrong->empty() || wrong->starts_with("wrong") ? *wrong : "failed: " + *wrong;
  if (auto good = log_->add(line); !good) return good.error();
  return line.outcome;
}

/// The winner meets the base once more: verified on other data than before, and timed until it is decided. Without evidence the base stays.
Result<void> OpContest::decide() {
  if (options_.effort == Effort::Estimate) return {};
  if (best_) {
    auto wrong = verifiedAgain(*best_);
    if (!wrong && !times_.all.asked()) return wrong.error();
    CandidateResult& result = outcome_.candidates[best_->result];
    if (wrong && !wrong->empty()) {
      result.outcome = *wrong;
      logWarning(fmt::format("{} | {}: {}, after it was timed", outcome_.op, result.schedule, result.outcome));
      best_.reset();
    }
  }
  if (!best_) return baseStays(), Result<void>();
  auto verdict = duel(*best_);
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
  auto turn = timed(nullptr, kPairs);
  outcome_.medianNs = turn ? turn->ns : 0;
  outcome_.finished = outcome_.finished && turn;
}

Result<Verdict> OpContest::duel(Entrant& challenger) {
  DuelRules rules;
  rules.mostPairs = affordable(planOf(options_.effort).duelSeconds, rules.leastPairs, rules.mostPairs);
  Duel duel(rules);
  std::vector<double> ns;
  while (int pairs = duel.wants()) {
    auto turn = timed(&challenger, pairs);
    if (!turn) return turn.error();
    duel.took(turn->ratios);
    ns.push_back(turn->ns);
  }
  outcome_.ratio = duel.ratio();
  outcome_.speedup = 1 / duel.ratio().median;
  outcome_.medianNs = spreadOf(ns).median * duel.ratio().median;
  return duel.verdict();
}

OpContest::Closing OpContest::closing() const {
  if (!outcome_.finished || options_.effort == Effort::Estimate) return [] { return Result<void>(); };
  JournalLine line;
  line.schedule = outcome_.schedule, line.ns = outcome_.medianNs;
  bool base = winner_ == base_;
  line.ratio = base ? 1 : outcome_.ratio.median, line.low = base ? 1 : outcome_.ratio.low, line.high = base ? 1 : outcome_.ratio.high;
  return [log = log_, line] { return log->end(line); };
}

}  // namespace quern
