// tuner/search/Duel.cpp — see Duel.h.
#include "tuner/search/Duel.h"

#include <algorithm>

namespace quern {

void Duel::took(const std::vector<double>& ratios) {
  ratios_.insert(ratios_.end(), ratios.begin(), ratios.end());
  ratio_ = spreadOf(ratios_);
}

Verdict Duel::verdict() const {
  if (pairs() < rules_.leastPairs) return Verdict::Open;
  if (ratio_.high < rules_.clearWin) return Verdict::Faster;
  if (ratio_.low > 1) return Verdict::Slower;
  // That it wins clearly is ruled out, or was not shown in all that time.
  return ratio_.low > rules_.clearWin || pairs() >= rules_.mostPairs ? Verdict::NoDifference : Verdict::Open;
}

int Duel::wants() const {
  if (verdict() != Verdict::Open) return 0;
  if (pairs() < rules_.leastPairs) return rules_.leastPairs - pairs();
  return std::min(pairs(), rules_.mostPairs - pairs());  // looked at after every doubling: few looks, few chances to be wrong
}

}  // namespace quern
