// tuner/OpContest.h — one op being tuned: candidates compiled, verified and timed in worker processes; what is decided is Halving's and
// Duel's affair.
#pragma once

#include "tuner/check/TimingOperands.h"
#include "tuner/Experience.h"
#include "tuner/Tuner.h"
#include "tuner/check/BitReference.h"
#include "tuner/measure/Noise.h"
#include "tuner/records/Journal.h"
#include "tuner/search/Duel.h"
#include "tuner/search/Halving.h"
#include "tuner/worker/CompilePool.h"
#include "tuner/worker/TrialWorker.h"

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
  size_t candidates;      ///< compiled, verified and timed
  int rounds;             ///< of neighbours tried around the best
  size_t beam;            ///< of those that are close to the winner, how many more neighbours are tried around
  double longestSeconds;  ///< of timing one candidate among the others
  double duelSeconds;     ///< of the winner's meeting with the default, where it stays open
  size_t small;           ///< candidates for each size of small calls
};
EffortPlan planOf(Effort effort);

/// Once. Nothing is recorded: what was found is in the outcome, the record and the certificate.
class OpContest {
public:
  /// What a contest works with; all of it outlives it.
  struct Tools {
    KernelLibrary& library;
    CompilePool& pool;
    Journal& journal;
    Ceilings& core;  ///< of the core that times; measured when it is needed
  };
  OpContest(const Tools& tools, const WorkloadItem& item, const TuneOptions& options, const TuneTimes& times);

  /// The default against the space. `before`: a schedule that an earlier run, cut short, had found; it is met first.
  /// Errors   What compiling the default says; Internal where the default itself is wrong. An outcome that was not `reached` where
  ///          time was over before the default was verified.
  Result<TuneOutcome> run(const SearchSpace& space, const std::optional<Schedule>& before, TuneProgress progress);
  /// For small calls: `anchor`, what runs there by default, against those that are to be met `first`, whatever the effort affords, and
  /// these candidates.
  Result<TuneOutcome> runSmall(const std::vector<Schedule>& first, std::vector<Candidate> candidates, const Schedule& anchor,
                               TuneProgress progress);
  /// `winner` against the default, nothing else.
  Result<TuneOutcome> runAgain(const Schedule& winner);

  /// To be called when what was found is kept: the journal's run ends. May outlive the contest.
  using Closing = std::function<Result<void>()>;
  Closing closing() const;

  const Schedule& winner() const { return winner_; }
  /// Of the winner: it gave, bit for bit, what was compared with the reference. `as`: what it was verified as.
  Certificate certificate(const std::string& as) const {
    Certificate own = bits_.certificate();
    own.as = as;
    return own;
  }
  TuningRecord record() const;
  /// The time of this one over the winner's, as both were timed against the base; 0: it was not timed.
  double timeOver(const Schedule& schedule) const;

private:
  /// A candidate that compiles and is right, in the present stage.
  struct Entrant {
    Schedule schedule;
    std::optional<KernelArtifact> kernel;  ///< nothing: a run before this one had it; compiled when it is needed
    size_t result;                         ///< in outcome_.candidates
  };
  /// What came of timing.
  struct Turn {
    std::vector<double> ratios;
    double ns = 0;  ///< one call of the base
  };

  std::vector<Candidate> givenCandidates(const Schedule& base) const;
  int sharing() const;
  /// `part`: of the question, what of the op it is about; empty: all of it.
  Result<void> prepare(const Schedule& schedule, std::string_view part = "");
  /// At most so many of these against each other, those first that should be the fastest by what is known; the best so far is among them.
  /// False: time was over.
  bool stage(std::vector<Candidate> candidates, size_t most, TuneProgress& progress);
  /// Each key of the best ones varied that nobody has met; empty: around all of them that was done.
  std::vector<Candidate> neighboursOfBest(const SearchSpace& space);
  /// Compiles and verifies a batch; those that may be timed join.
  bool admit(std::span<const Candidate> batch, TuneProgress& progress);
  std::vector<std::optional<Result<KernelArtifact>>> compileUnknown(const std::vector<Schedule>& schedules);
  bool judge(CandidateResult& result, const Result<KernelArtifact>& compiled);
  bool noted(const Result<void>& written);
  /// It died while it was timed, or no time of it can be right: it is out, and the journal says so. False: that could not be written.
  bool failed(CandidateResult& result, const std::string& why);
  bool runTurns(bool more);
  void settle();
  /// nullptr: the base against itself.
  Result<Turn> timed(Entrant* challenger, int pairs);
  Result<Turn> timedNow(Entrant* challenger, int pairs);
  Result<PairSamples> samplesOf(Entrant* challenger, int pairs);
  /// Those that the machine can have taken: what is faster than its ceilings is thrown away and measured again.
  Result<PairSamples> possibleSamples(Entrant* challenger, int pairs);
  void raiseCore();
  Result<const KernelArtifact*> kernelOf(Entrant& entrant);
  Result<std::string> verifiedAgain(Entrant& entrant);
  int affordable(double seconds, int least, int most) const;
  Result<void> decide();
  Result<Verdict> duel(Entrant& challenger);
  void baseStays();
  /// What run() and its kin return where the default was not ready: not reached in time, or the error.
  Result<TuneOutcome> unprepared(const Error& why);
  Result<TuneOutcome> ended();

  KernelLibrary& library_;
  CompilePool& pool_;
  Journal& journal_;
  Ceilings& core_;
  const WorkloadItem& item_;
  const TuneOptions& options_;
  TuneTimes times_;
  TimingOperands operands_;
  BitReference bits_;
  std::unique_ptr<TrialWorker> worker_;
  std::shared_ptr<RunLog> log_;
  std::string part_;                ///< of the op, as in the journal
  Schedule base_, winner_;          ///< what is measured against; the best so far
  double baseCycles_ = 1;           ///< its predicted cost
  double baseNs_ = 0;               ///< one call, as it was timed last
  std::optional<Entrant> best_;     ///< nothing: the base
  std::vector<Entrant> close_;      ///< the best of the last stage, close to each other, the best of them first
  std::set<std::string> expanded_;  ///< schedules whose neighbours were tried
  std::vector<Entrant> entrants_;
  std::unique_ptr<Halving> halving_;
  std::optional<FittedOrder> fitted_;           ///< what is known of this op's schedules, from the first stage on
  std::map<std::string, std::string> objects_;  ///< hashes of code met so far, and whose it is
  bool baseCodeKnown_ = false;
  std::set<std::string> seen_;  ///< schedules met
  NoiseWatch noise_;
  std::optional<Error> broken_;  ///< the machine has no workers
  TuneOutcome outcome_;
};

}  // namespace quern
