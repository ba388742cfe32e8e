// tuner/search/Halving.h — which of many candidates is the fastest: all are timed a little, those that may be it more and more.
#pragma once

#include "tuner/measure/Spread.h"

#include <cstddef>
#include <optional>
#include <vector>

namespace quern {

struct HalvingRules {
  int firstPairs = 5;  ///< each candidate's first turn; every round has twice as many as all before
  int mostPairs = 80;  ///< of one candidate
  /// After the first turn: behind the best median by more than this, and with its whole interval behind the best's, it is hopeless.
  double close = 0.02;
  double tie = 0.01;  ///< medians within this are equal: the first in the canonical order is the best
};

/// Candidates are numbers in the order in which they join; each has its place in the canonical one. All are timed against the same kernel
/// (the anchor), so that their ratios can be compared. Pure: it says what to time next, and is told what came of it.
class Halving {
public:
  explicit Halving(const HalvingRules& rules) : rules_(rules) {}

  /// `place`: in the canonical order; by itself, behind those before it.
  size_t join(std::optional<size_t> place = std::nullopt);
  struct Turn {
    size_t who;
    int pairs;
  };
  /// What to time next. `more`: others will join, so there are first turns only. nullopt: nothing, and unless `more` it is over.
  std::optional<Turn> next(bool more = false);
  void took(size_t who, const std::vector<double>& ratios);
  /// It failed while it was timed.
  void leave(size_t who) { standings_[who].out = true; }

  /// Of those that are left and were timed; nullopt: none.
  std::optional<size_t> best() const;
  /// The others that are left and no further behind it than `close`, fastest first.
  std::vector<size_t> closeTo(size_t who) const;
  Spread ratio(size_t who) const { return standings_[who].ratio; }
  const std::vector<double>& ratios(size_t who) const { return standings_[who].ratios; }
  bool left(size_t who) const { return !standings_[who].out; }
  int64_t pairs() const { return pairs_; }  ///< in all

private:
  struct Standing {
    std::vector<double> ratios;
    Spread ratio;
    size_t place = 0;
    bool out = false;
  };
  std::vector<size_t> ranked() const;
  bool drop();

  HalvingRules rules_;
  std::vector<Standing> standings_;
  int round_ = 0;  ///< pairs that everybody who is left has had, or is to have
  int64_t pairs_ = 0;
};

}  // namespace quern
