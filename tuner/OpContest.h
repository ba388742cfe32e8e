// tuner/OpContest.h — one op being tuned: the incumbent meets the candidates in the order of their predicted cost.
#pragma once

#include "tuner/TimingOperands.h"
#include "tuner/Tuner.h"
#include "tuner/check/BitReference.h"

#include <memory>
#include <set>

namespace quern {

/// How long one op may take: its candidates have `candidates`, what must be done for any answer (verifying the default, a last
/// meeting) has `all`.
struct TuneTimes {
  Stop candidates, all;
};

/// What each effort affords.
struct EffortPlan {
  size_t candidates;  ///< timed
  int rounds;         ///< of neighbours tried around the winner
  double contestSeconds;
  size_t narrow;  ///< candidates for each number of few rows
};
EffortPlan planOf(Effort effort);

/// Once. Nothing is recorded: what was found is in the outcome, the record and the certificate.
class OpContest {
public:
  OpContest(KernelLibrary& library, const WorkloadItem& item, const TuneOptions& options, const TuneTimes& times);

  /// The default against the space. `before`: a schedule that an earlier run, cut short, had found; it is met first.
  /// Errors   What compiling the default says; Internal where the default itself is wrong. An outcome that was not `reached` where
  ///          time was over before the default was verified.
  Result<TuneOutcome> run(const SearchSpace& space, const std::optional<Schedule>& before, TuneProgress progress);
  /// From `base` instead of the default, over these candidates only.
  Result<TuneOutcome> runNarrow(std::vector<Candidate> candidates, const Schedule& base, TuneProgress progress);
  /// `winner` against the default, nothing else.
  Result<TuneOutcome> runAgain(const Schedule& winner);

  const Schedule& winner() const { return bestSchedule_; }
  /// Of the winner: it gave, bit for bit, what was compared with the reference. `as`: what it was verified as.
  Certificate certificate(const std::string& as) const {
    Certificate own = bits_.certificate();
    own.as = as;
    return own;
  }
  TuningRecord record() const;

private:
  std::vector<Candidate> givenCandidates(const Schedule& base) const;
  Result<void> prepare(const Schedule& schedule);
  void meetAll(const std::vector<Candidate>& candidates, TuneProgress& progress);
  std::string meet(const Candidate& candidate, double& ratio);
  PairTiming contest(KernelCall& a, KernelCall& b, const Stop& stop, double longer = 1);
  void crown(const Schedule& schedule, KernelCall call);
  void decide(const Schedule& base);
  /// What run() and its kin return where the default was not ready: not reached in time, or the error.
  Result<TuneOutcome> unprepared(const Error& why);

  KernelLibrary& library_;
  const WorkloadItem& item_;
  const TuneOptions& options_;
  TuneTimes times_;
  bool long_;  ///< is a single call: it runs in pieces
  TimingOperands operands_;
  BitReference bits_;
  std::unique_ptr<KernelCall> baseline_, best_;
  Candidate first_;             ///< the default
  std::set<std::string> seen_;  ///< schedules met
  Schedule bestSchedule_;
  TuneOutcome outcome_;
};

}  // namespace quern
