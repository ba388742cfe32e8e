// tuner/search/Duel.h — is one kernel faster than another? Decided from the ratios of alternating blocks, measured until it is.
#pragma once

#include "tuner/measure/Spread.h"

#include <vector>

namespace quern {

struct DuelRules {
  /// The ratio's whole interval must lie below this: below one, and by more than a drift of the machine gives two copies of one kernel.
  double clearWin = 0.985;
  int leastPairs = 15;  ///< before anything is decided
  int mostPairs = 200;  ///< what is open after so many is no difference
};

enum class Verdict : uint8_t {
  Open,
  Faster,        ///< surely
  NoDifference,  ///< none that was shown: the incumbent stays
  Slower,        ///< surely
};

/// A challenger against an incumbent. `ratios`: challenger's time over the incumbent's, one for each pair of blocks.
class Duel {
public:
  explicit Duel(const DuelRules& rules) : rules_(rules) {}

  void took(const std::vector<double>& ratios);
  /// Intervals are those of the median by ranks (95 %): nothing is assumed about how times scatter.
  Verdict verdict() const;
  /// Pairs to be measured next; 0: it is decided.
  int wants() const;
  const Spread& ratio() const { return ratio_; }
  int pairs() const { return static_cast<int>(ratios_.size()); }

private:
  DuelRules rules_;
  std::vector<double> ratios_;
  Spread ratio_;
};

}  // namespace quern
