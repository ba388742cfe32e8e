// tuner/measure/Spread.cpp — see Spread.h.
#include "tuner/measure/Spread.h"

#include <algorithm>
#include <cmath>

namespace quern {

Spread spreadOf(std::vector<double> samples) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  auto n = static_cast<double>(samples.size());
  // Ranks n/2 -+ 0.98 sqrt(n): the binomial interval of the median.
  auto rank = [&](double r) { return samples[static_cast<size_t>(std::clamp(r, 0.0, n - 1))]; };
  double half = 0.98 * std::sqrt(n);
  return {samples[samples.size() / 2], rank(std::floor(n / 2 - half)), rank(std::ceil(n / 2 + half))};
}

}  // namespace quern
