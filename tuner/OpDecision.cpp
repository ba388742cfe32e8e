// tuner/OpDecision.cpp — of OpContest: its turns of timing, and the winner's last meeting with the base. See OpContest.h.
#include "compiler/base/Log.h"
#include "tuner/OpContest.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

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
      outcome_.ratio = {};
      logWarning(fmt::format("{} | {}: {}, after it was timed", outcome_.op, result.schedule, result.outcome));
      best_.reset();
    }
  }
  if (!best_) return baseStays(), Result<void>();
  auto verdict = duel(*best_);
  if (!verdict && verdict.error().code == ErrorCode::Internal && !times_.all.asked()) {
    bool written = failed(outcome_.candidates[best_->result], verdict.error().message);
    best_.reset();
    outcome_.ratio = {};
    baseStays();
    return written ? Result<void>() : *broken_;
  }
  if (!verdict && verdict.error().code != kStopped && !times_.all.asked()) return verdict.error();
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
