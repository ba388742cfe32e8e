// tuner/search/Halving.cpp — see Halving.h.
#include "tuner/search/Halving.h"

#include <algorithm>

namespace quern {

size_t Halving::join(std::optional<size_t> place) {
  standings_.emplace_back();
  standings_.back().place = place.value_or(standings_.size() - 1);
  return standings_.size() - 1;
}

void Halving::took(size_t who, const std::vector<double>& ratios) {
  Standing& standing = standings_[who];
  standing.ratios.insert(standing.ratios.end(), ratios.begin(), ratios.end());
  standing.ratio = spreadOf(standing.ratios);
  pairs_ += static_cast<int64_t>(ratios.size());
}

std::optional<Halving::Turn> Halving::next(bool more) {
  round_ = std::max(round_, rules_.firstPairs);
  for (;;) {
    for (size_t who = 0; who < standings_.size(); ++who) {
      int had = static_cast<int>(standings_[who].ratios.size());
      if (!standings_[who].out && had < round_) return Turn{who, round_ - had};
    }
    if (more || !drop()) return std::nullopt;
    round_ = std::min(2 * round_, rules_.mostPairs);
  }
}

/// Who is left, fastest first.
std::vector<size_t> Halving::ranked() const {
  std::vector<size_t> order;
  for (size_t who = 0; who < standings_.size(); ++who)
    if (!standings_[who].out && !standings_[who].ratios.empty()) order.push_back(who);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return standings_[a].ratio.median < standings_[b].ratio.median; });
  return order;
}

/// Ends a round: the worse half goes but for those that are close to the best. False: it is decided, or as decided as it gets.
bool Halving::drop() {
  std::vector<size_t> order = ranked();
  if (order.size() < 2 || round_ >= rules_.mostPairs) return false;
  const Spread& best = standings_[order[0]].ratio;
  for (size_t rank = 1; rank < order.size(); ++rank) {
    Standing& standing = standings_[order[rank]];
    bool behind = standing.ratio.low > best.high, close = standing.ratio.median <= best.median * (1 + rules_.close);
    standing.out = !close && (behind || rank >= (order.size() + 1) / 2);
  }
  return std::count_if(order.begin(), order.end(), [&](size_t who) { return left(who); }) > 1;
}

std::vector<size_t> Halving::closeTo(size_t who) const {
  std::vector<size_t> close = ranked();
  double most = standings_[who].ratio.median * (1 + rules_.close);
  std::erase_if(close, [&](size_t other) { return other == who || standings_[other].ratio.median > most; });
  return close;
}

std::optional<size_t> Halving::best() const {
  std::vector<size_t> order = ranked();
  if (order.empty()) return std::nullopt;
  double most = standings_[order[0]].ratio.median * (1 + rules_.tie);
  size_t best = order[0];
  for (size_t who : order)
    if (standings_[who].ratio.median <= most && standings_[who].place < standings_[best].place) best = who;
  return best;
}

}  // namespace quern
