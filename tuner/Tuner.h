// tuner/Tuner.h — finds the schedule that runs an op fastest here: candidates verified, then timed against the incumbent.
#pragma once

#include "compiler/jit/KernelLibrary.h"
#include "compiler/op/Workload.h"
#include "tuner/SearchSpace.h"
#include "tuner/measure/Ceilings.h"
#include "tuner/measure/Timing.h"
#include "tuner/records/Journal.h"

#include <functional>

namespace quern {

enum class Effort : uint8_t { Estimate, Measure, Patient, Exhaustive };
/// Errors   BadCommand naming the efforts.
Result<Effort> parseEffort(const std::string& text);
std::string_view text(Effort effort);

/// What became of one candidate.
struct CandidateResult {
  std::string schedule;
  double predicted = 0;  ///< of the default's cost
  Spread ratio;          ///< its time over the default's; median 0: not timed
  int pairs = 0;         ///< of blocks that the ratio is from
  /// "won", "beaten" (faster than the default, and not the winner), "no difference", "slower", "same code as SCHEDULE", "wrong: ...",
  /// "not compiled: ...", "failed: ...".
  std::string outcome;
  std::string object;  ///< hash of its code
};

struct TuneProgress {
  size_t op = 0, ops = 0;
  std::string name;
  size_t candidate = 0, candidates = 0;
  double speedup = 1;      ///< of the best so far over the default
  double secondsLeft = 0;  ///< at most, from the budget or the pace so far
};

struct TuneOptions {
  Effort effort = Effort::Measure;
  double budgetSeconds = 0;  ///< 0: none
  Stop stop;                 ///< asked: stop, keeping what is done
  std::function<void(const TuneProgress&)> progress;
  /// In place of the clock: so many pairs of blocks of the default (a) and the challenger (b). Injected by tests.
  std::function<PairSamples(const std::string& anchor, const std::string& challenger, int pairs)> timePairs;
  /// Of the core that times, with timePairs; all zero: none. Else they are measured.
  Ceilings core;
  Journal* journal = nullptr;   ///< null: the one of the library's cache
  double patienceSeconds = 10;  ///< what a candidate may take longer than the default before it is given up
  /// What runs in a worker in a candidate's place. Injected by tests.
  std::function<KernelRef(const KernelRef& real)> plant;
  /// For items of more than one thread: makes, in a worker, what runs a call's tasks on so many. Empty: all are timed on one.
  std::function<TaskRunner(int threads)> runner;
  std::function<bool(double flops)> worthSharing;  ///< whether a call of so many would be shared where it counts
  bool retune = false;                             ///< also ops that are already tuned
  bool regimeGiven = false;                        ///< also ops that were tuned last in another regime than the item asks for
  /// These and what is recorded meet the default, in place of the space's and whatever the effort affords: somebody else's search.
  std::vector<Schedule> candidates;
};

struct TuneOutcome {
  std::string op;
  std::string schedule;
  double speedup = 1;  ///< default's time over the winner's
  Spread ratio;        ///< of the winner's last meeting with the default: its time over the default's
  double medianNs = 0;
  double calls = 1;          ///< of the op in its workload
  std::string noise;         ///< why the figures decide nothing small: what else the machine did; empty: it was quiet
  bool reached = true;       ///< false: time was over before the default was verified; it runs, and nothing else is known
  bool finished = true;      ///< false: interrupted or out of time before all candidates were seen
  bool skipped = false;      ///< already tuned
  std::string tunedAt;       ///< of one that was: its regime, where that is another than the item's
  bool unconfirmed = false;  ///< the winner has yet to meet the default once more: the next run sees to that
  std::vector<CandidateResult> candidates;
};

/// The journal beside the library's records; where it cannot be read, or there is no cache, one that lasts as long as the process.
Journal journalOf(const KernelLibrary& library);

/// The effort in the record of an op that was cut short: its winner so far runs, and the next run of any effort goes on from it.
inline constexpr std::string_view kPartialEffort = "partial";
/// The effort in the record of an op that given candidates were tried on: a run of any effort looks again.
inline constexpr std::string_view kGivenEffort = "candidates";

/// Tunes one op at its sample dimensions. The winner and its record go into the library's cache and records; of an
/// Effort::Estimate nothing is recorded, since nothing was timed.
/// Errors   what compiling the default says; Internal where the default itself is wrong.
Result<TuneOutcome> tuneOp(KernelLibrary& library, const SearchSpace& space, const WorkloadItem& item, const TuneOptions& options);

/// Tunes every item, highest priority first, within the budget. Stops early, keeping what is done, when `stop` is set. One outcome an
/// item, in that order: those that time did not reach as well.
Result<std::vector<TuneOutcome>> tuneWorkload(KernelLibrary& library, const SearchSpace& space, Workload workload,
                                              const TuneOptions& options);

/// Verifies one schedule, and what it runs for small calls, and pins it; or frees the op again.
Result<void> pinSchedule(KernelLibrary& library, const OpDesc& op, const std::string& schedule, const Stop& stop = {});
Result<void> unpinSchedule(KernelLibrary& library, const OpDesc& op);

}  // namespace quern
