// tuner/Explain.h — why an op runs with the schedule it runs with: its space, what became of every schedule, what binds the winner.
#pragma once

#include "compiler/jit/KernelLibrary.h"
#include "compiler/op/Workload.h"
#include "tuner/SearchSpace.h"
#include "tuner/measure/Spread.h"
#include "tuner/records/Journal.h"

#include <limits>
#include <map>
#include <string>
#include <vector>

namespace quern {

/// A schedule that was met.
struct ExplainedCandidate {
  std::string schedule;
  double predicted = 0;  ///< of the default's time, when it was met
  double fitted = 0;     ///< the same from what is known now of all others; 0: it was not timed
  Spread ratio;          ///< its time over the default's; median 0: not timed
  size_t pairs = 0;
  std::string outcome;  ///< "default", "faster", "no difference", "slower", "met, not timed", or why it is out
};

/// Spearman's coefficients of times over the schedules that were timed with what ...
struct OrderFigures {
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();  ///< fewer than three
  double fitted = kNone;  ///< the fit says of each from all others, of this op and of others
  double others = kNone;  ///< the fit says from other ops alone
  double costs = kNone;   ///< the cost model says, without any measurement
  double met = kNone;     ///< was predicted when each was met
  double repeat = kNone;  ///< another measurement as long would say: from halves of this one. No prediction agrees better for long
  size_t schedules = 0;
};

struct Explanation {
  OpDesc op;
  ScheduleChoice choice;
  std::string at;  ///< that regime in words
  SpaceAccount account;
  std::map<std::string, int64_t> failed;       ///< by reason, with N for numbers
  int64_t measured = 0;                        ///< with the default, if anything was timed against it
  std::string space, pruned, untried;          ///< in decimal; space = pruned + failed + measured + untried
  int64_t outside = 0;                         ///< of the space: the default, and schedules tried around winners, that are no combination
  std::vector<ExplainedCandidate> candidates;  ///< those that were met: fastest first, then those that are out
  std::vector<TuningRecord> sizes;             ///< what was decided for small calls
  double ns = 0;                               ///< one call of the default, as it was timed last; 0: never
  std::string date;                            ///< when it was tuned last
  OrderFigures order;                          ///< how well what is predicted orders what was measured
  ScheduleCost cost, defaultCost;              ///< predicted, of the choice and of the default
  WorkloadItem item;                           ///< the regime it was tuned in last, or stands for it
};

/// From the space, the records and the journal; nothing is timed. Errors: as KernelLibrary::choose.
Result<Explanation> explain(KernelLibrary& library, const SearchSpace& space, const OpDesc& op, const Journal& journal);

/// Of the choice's size classes: what was measured for it; null: another schedule was, or nothing.
const TuningRecord* decisionFor(const Explanation& explanation, const SizeClass& small);

/// What most of a predicted cost is: "arithmetic", "reads from L2", "handing out tasks", and its part of it, 0 to 1.
struct Bound {
  std::string what;
  double part = 0;
};
Bound boundOf(const ScheduleCost& cost);

/// Rank correlation; NaN for fewer than three, or where all are alike.
double spearmanOf(const std::vector<std::pair<double, double>>& pairs);

}  // namespace quern
