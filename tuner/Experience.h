// tuner/Experience.h — what was measured on this CPU, as the fit of costs takes it: candidates in the order of what they should take.
#pragma once

#include "compiler/op/Workload.h"
#include "tuner/SearchSpace.h"
#include "tuner/records/Journal.h"
#include "tuner/search/CostFit.h"

#include <map>
#include <string>
#include <vector>

namespace quern {

/// A question's op with every dimension known, what its schedules are measured against, and in what state the caches are.
struct FitContext {
  OpDesc bound;
  Schedule base;
  CacheState cacheState = CacheState::Hot;
  int threads = 1;
};

/// A schedule as the fit sees it: its keys, and parts of its analytic cost beside the base's.
FitPoint fitPointOf(const FitContext& context, const Schedule& schedule, const Target& target);

/// What one op's schedules took beside its base.
struct OpExperience {
  std::string op, at;  ///< as in the journal's question
  FitContext context;
  FitPoint base;
  struct Timed {
    FitPoint point;
    Spread ratio;  ///< its time over the base's
    size_t ratios = 0;
  };
  std::map<std::string, Timed> schedules;
};

/// Ops of `like`'s family that were timed on this CPU with this generator, in the journal's order; of each the newest run. `part`: of an
/// op, as in the journal's efforts, "" or " rows": small calls teach nothing about others. `until`: a run's name; what comes behind its
/// first line is not looked at, so that a run that is gone on with learns from what it learnt from at first.
std::vector<OpExperience> experienceOf(const Journal& journal, const OpDesc& like, const Target& target, const std::string& part = "",
                                       const std::string& until = "");

/// One op's candidates in the order of what they should take, as far as is known by now.
class FittedOrder {
public:
  /// `others`: what was measured before; nothing of this op is in it.
  FittedOrder(FitContext context, std::vector<OpExperience> others, const Target& target);

  /// A ratio of none is not looked at.
  void took(const Schedule& schedule, const Spread& ratio, size_t ratios);
  /// Time over the base's.
  std::vector<CostFit::Guess> guess(const std::vector<Schedule>& schedules) const;
  /// Of each schedule, in the order in which they were timed first, what all others say of it.
  std::vector<CostFit::Guess> leftOut() const;
  /// Fills in what is predicted of the candidates from `from` on, and puts those in front that may be the fastest, not only those of one
  /// kind; before them those that are foremost at any rate, and what won for an op nearly as large. Where nothing was measured they stay as
  /// they are.
  void sort(std::vector<Candidate>& candidates, size_t from) const;

private:
  CostFit fit() const;
  /// What was the fastest for the nearest op, if that is nearly as large; empty: nothing beat its base.
  std::string nearestWinner() const;

  FitContext context_;
  std::vector<OpExperience> others_;  ///< the nearest first
  const Target& target_;
  FitPoint base_;
  std::vector<std::string> order_;  ///< of schedules, as they were timed first
  std::map<std::string, OpExperience::Timed> own_;
};

}  // namespace quern
