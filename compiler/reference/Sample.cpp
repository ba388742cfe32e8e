// compiler/reference/Sample.cpp — see Sample.h.
#include "compiler/reference/Sample.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace quern {

std::vector<int64_t> sampleOf(int64_t count, int64_t most) {
  constexpr int64_t kLeast = 4;
  most = std::max(most, kLeast);
  std::vector<int64_t> rows;
  if (count <= most) {
    rows.resize(static_cast<size_t>(std::max<int64_t>(0, count)));
    std::iota(rows.begin(), rows.end(), int64_t{0});
    return rows;
  }
  int64_t edge = most / 4, inner = most - 2 * edge;
  for (int64_t i = 0; i < edge; ++i) rows.push_back(i);
  // Multiples of the golden ratio, modulo 1, fill an interval evenly and repeat nowhere.
  constexpr double kGolden = 0.6180339887498949;
  double stretch = static_cast<double>(count - 2 * edge) / static_cast<double>(inner);
  for (int64_t i = 0; i < inner; ++i) {
    double within = std::fmod(static_cast<double>(i + 1) * kGolden, 1.0);
    rows.push_back(edge + static_cast<int64_t>((static_cast<double>(i) + within) * stretch));
  }
  for (int64_t i = count - edge; i < count; ++i) rows.push_back(i);
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

int64_t ReferenceScope::affordable(double work) const {
  double most = mostWork / std::max(1.0, work);
  return most < 0x1p62 ? std::max<int64_t>(1, static_cast<int64_t>(most)) : int64_t{1} << 62;
}

}  // namespace quern
