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
    case Effort::Estimate: return {2, 0, 0, 0, 0, 0};
    case Effort::Measure: return {16, 2, 1, 0.05, 0.3, 4};
    case Effort::Patient: return {60, 4, 2, 0.2, 1, 16};
    case Effort::Exhaustive: break;
  }
  return {1000000, 10, 3, 0.2, 1, 1000000};
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
      operands_(item.op, item.sample, times.all, coldBytesOf(item, tools.library.target()), item.sizes) {
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
  std::vector<Schedule> first = given ? std::vector<Schedule>() : foundElsewhere(library_, journal_, item_.op, log_->id());
  if (before && *before != base && (given || !log_->continues())) first.insert(first.begin(), *before);
  for (auto schedule = first.rbegin(); schedule != first.rend(); ++schedule) {
    std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.schedule == *schedule; });
    candidates.insert(candidates.begin(), {*schedule, costOf(*schedule, fixed(item_.op, item_.sample), library_.target()), 0, true});
  }
  bool whole = stage(candidates, given ? candidates.size() : plan.candidates - 1 + first.size(), progress);
  for (int round = 0; whole && !given && round < plan.rounds; ++round) {
    std::vector<Candidate> next = neighboursOfBest(space);
    if (next.empty()) break;
    size_t all = next.size();
    whole = stage(std::move(next), all, progress);
  }
  outcome_.finished = whole && !times_.candidates.asked();
  return ended();
}

std::vector<Candidate> OpContest::neighboursOfBest(const SearchSpace& space) {
  std::vector<Schedule> centers = {winner_};
  for (const Entrant& each : close_) centers.push_back(each.schedule);
  std::vector<Candidate> around;
  for (const Schedule& center : centers) {
    if (!expanded_.insert(text(center)).second) continue;
    for (Candidate& next : neighboursOf(space, center, item_.op, item_.sample, library_.target(), seen_, times_.candidates)) {
      bool known = std::any_of(around.begin(), around.end(), [&](const Candidate& each) { return each.schedule == next.schedule; });
      if (!known) around.push_back(std::move(next));
    }
  }
  return around;
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

Result<TuneOutcome> OpContest::runSmall(const std::vector<Schedule>& first, std::vector<Candidate> candidates, const Schedule& anchor,
                                        TuneProgress progress) {
  if (auto ready = prepare(anchor, " rows"); !ready) return unprepared(ready.error());
  auto drop = [&](const Schedule& known) { std::erase_if(candidates, [&](const Candidate& each) { return each.schedule == known; }); };
  drop(anchor);
  std::for_each(first.begin(), first.end(), drop);
  size_t most = std::min(candidates.size(), planOf(options_.effort).small);
  for (auto each = first.rbegin(); each != first.rend(); ++each) {
    drop(*each);  // named twice
    if (*each == anchor) continue;
    candidates.insert(candidates.begin(), {*each, costOf(*each, fixed(item_.op, item_.sample), library_.target()), 0, true});
    ++most;
  }
  outcome_.finished = stage(std::move(candidates), most, progress);
  return ended();
}

double OpContest::timeOver(const Schedule& schedule) const {
  auto timeOf = [&](const Schedule& which) {
    if (which == base_) return 1.0;
    if (which == winner_) return 1 / outcome_.speedup;
    for (const CandidateResult& result : outcome_.candidates)
      if (result.schedule == text(which)) return result.ratio.median;
    return 0.0;
  };
  return timeOf(schedule) / timeOf(winner_);
}

Result<TuneOutcome> OpContest::runAgain(const Schedule& winner) {
  if (auto ready = prepare(defaultSchedule(item_.op, library_.target()), kConfirmPart); !ready) return unprepared(ready.error());
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
  TuningRecord record;
  record.kind = TuningRecord::Kind::Tuned;
  record.op = outcome_.op;
  record.cpu = tuningCpu(library_.target());
  record.schedule = outcome_.schedule;
  record.ratio = outcome_.speedup;
  record.medianNs = outcome_.medianNs;
  record.candidates = static_cast<int64_t>(outcome_.candidates.size());
  record.effort = !outcome_.finished ? kPartialEffort : options_.candidates.empty() ? text(options_.effort) : kGivenEffort;
  record.date = timestamp();
  record.lowConfidence = !outcome_.noise.empty();
  return record;
}

/// Threads of a call: those of the regime where it is worth it.
int OpContest::sharing() const {
  bool several = item_.threads > 1 && options_.runner && options_.worthSharing;
  return several && options_.worthSharing(flopsOf(fixed(item_.op, item_.sample))) ? item_.threads : 1;
}

Result<void> OpContest::prepare(const Schedule& schedule, std::string_view part) {
  auto kernel = library_.get(item_.op, schedule, times_.all);
  if (!kernel) return kernel.error();
  auto bits = BitReference::make(*kernel, item_.op, item_.sample, times_.all);
  if (!bits) return bits.error();
  bits_ = std::move(*bits);
  worker_ = std::make_unique<TrialWorker>(KernelSet(*kernel), item_.op, item_.sample, operands_, bits_,
                                          TrialOptions{options_.patienceSeconds, options_.plant, sharing(), options_.runner});
  part_ = part;
  base_ = winner_ = schedule;
  baseCycles_ = costOf(schedule, fixed(item_.op, item_.sample), library_.target()).cycles;
  seen_ = {text(schedule)};
  outcome_.schedule = text(schedule);
  std::string_view effort = options_.candidates.empty() ? text(options_.effort) : kGivenEffort;
  log_ = std::make_shared<RunLog>(
      journal_, TuneQuestion{outcome_.op, regimeOf(item_), text(schedule), tuningCpu(library_.target()),
                             kernelKey(item_.op, schedule, library_.target()).generator, fmt::format("{}{}", effort, part)});
  return {};
}

bool OpContest::stage(std::vector<Candidate> candidates, size_t most, TuneProgress& progress) {
  EffortPlan plan = planOf(options_.effort);
  HalvingRules rules;
  rules.mostPairs = affordable(plan.longestSeconds, 2 * rules.firstPairs, rules.mostPairs);
  halving_ = std::make_unique<Halving>(rules);
  entrants_.clear();
  for (const Entrant& known : close_) {  // times drift: they meet the newcomers now
    entrants_.push_back(known);
    halving_->join();
  }
  most = std::min(most, candidates.size());
  progress.candidates += most;
  for (size_t i = 0; i < candidates.size(); ++i) candidates[i].place = entrants_.size() + i;
  bool whole = true, given = !options_.candidates.empty();
  if (!fitted_) {  // what was given is tried in its order: no journal is read for that
    std::vector<OpExperience> others;
    if (!given) others = experienceOf(journal_, item_.op, library_.target(), part_, log_->id());
    FitContext context{fixed(item_.op, item_.sample), base_, item_.cacheState, item_.threads};
    fitted_.emplace(std::move(context), std::move(others), library_.target());
  }
  constexpr size_t kBatch = 8;
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

bool OpContest::failed(CandidateResult& result, const std::string& why) {
  result.outcome = "failed: " + why;
  result.ratio = {}, result.pairs = 0;
  JournalLine line;
  line.schedule = result.schedule, line.predicted = result.predicted, line.object = result.object, line.outcome = result.outcome;
  return noted(log_->add(line));
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
    if (!failed(outcome_.candidates[entrant.result], came.error().message)) return false;
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
  close_.clear();
  if (first) {
    close_.push_back(entrants_[*first]);
    for (size_t who : halving_->closeTo(*first))
      if (close_.size() <= planOf(options_.effort).beam) close_.push_back(entrants_[who]);
  }
  if (!better) return;
  best_ = entrants_[*first];
  winner_ = best_->schedule;
  outcome_.speedup = 1 / halving_->ratio(*first).median;
}

}  // namespace quern
