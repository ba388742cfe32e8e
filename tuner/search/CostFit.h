// tuner/search/CostFit.h — what a schedule's time should be, from an analytic guess and from what others took: a fit that starts at the
// guess.
#pragma once

#include "tuner/measure/Spread.h"

#include <cstddef>
#include <vector>

namespace quern {

/// A schedule of one op as numbers. One unit of a number is one doubling, or the step from one word of a key to another.
struct FitPoint {
  std::vector<double> op;    ///< alike for all schedules of an op
  std::vector<double> keys;  ///< what tells its schedules apart
  double guess = 0;          ///< log of the time over the default's, as predicted without any measurement
  size_t of = 0;             ///< which op: others may have the same sizes
};

/// How much what was measured says of what was not. Variances are of the log of (time over guess).
struct CostFitRules {
  double keysLength = 2.5;       ///< so many doublings apart schedules say little of each other
  double opsLength = 3;          ///< the same of ops
  double line = 0.06;            ///< of a guess that is right in order and wrong in scale
  double keyByKey = 0.1;         ///< of what each key does by itself
  double together = 0.06;        ///< of what keys do only together
  double everyOp = 0.3;          ///< the part of all that which ops have in common, whatever their sizes
  double likeOps = 0.4;          ///< ... which ops of like sizes do
  double oneOp = 0.3;            ///< ... which is one op's own
  double noise = 0.015 * 0.015;  ///< of the median of many ratios
  double scatter = 0.05 * 0.05;  ///< of one ratio
  size_t mostPoints = 400;       ///< learnt from: the cost is their cube
};

/// A Gaussian process over what the guess is wrong by: without measurements every schedule takes what was guessed, and near a schedule that
/// was measured what it took. Pure arithmetic: the same points in the same order give the same numbers.
class CostFit {
public:
  explicit CostFit(const CostFitRules& rules = {}) : rules_(rules) {}

  /// Its time over the default's, from so many ratios. What comes after `mostPoints` is not looked at.
  void learn(const FitPoint& point, const Spread& ratio, size_t ratios);
  /// The default itself takes what it takes: once for each op that is learnt from.
  void learnBase(const FitPoint& base);
  size_t points() const { return points_.size(); }

  struct Guess {
    double ratio = 1;  ///< time over the default's
    double doubt = 0;  ///< standard deviation of its log
  };
  /// In the order of `points`. Cost: the points learnt from squared for each, cubed once.
  std::vector<Guess> guess(const std::vector<FitPoint>& points) const;
  /// Of each point learnt from, in their order, what all the others say of it.
  std::vector<Guess> leftOut() const;

private:
  double alike(const FitPoint& a, const FitPoint& b) const;
  void factor() const;

  CostFitRules rules_;
  std::vector<FitPoint> points_;
  std::vector<double> off_, noise_;              ///< log of measured over guessed; variance of that
  mutable std::vector<double> upper_, weights_;  ///< Cholesky factor by rows; empty: to be made
};

}  // namespace quern
