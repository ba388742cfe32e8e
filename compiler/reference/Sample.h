// compiler/reference/Sample.h — how much of a reference is computed: all of it, or rows chosen by a fixed rule, until told to stop.
#pragma once

#include "compiler/base/Stop.h"

#include <cstdint>
#include <limits>
#include <vector>

namespace quern {

/// Numbers below `count`, ascending, at most about `most` of them (at least 4): all where they are few enough. Else a quarter from
/// either end, where tails are, and one of each of equal stretches between, at places that keep no step with any tile.
std::vector<int64_t> sampleOf(int64_t count, int64_t most);

/// What a reference may cost.
struct ReferenceScope {
  double mostWork = std::numeric_limits<double>::infinity();  ///< in multiply-adds, about a nanosecond each: beyond it rows are sampled
  Stop stop;                                                  ///< asked row by row; what was not reached is judged by nobody

  /// How many of things that cost `work` each may be computed.
  int64_t affordable(double work) const;
};

/// Calls body(row) for each row of `count`, or for a sample where all are more than `scope` affords. `work`: of one row.
template <class Body>
void forRows(int64_t count, double work, const ReferenceScope& scope, Body&& body) {
  constexpr double kBetweenAsking = 1e6;
  double since = 0;
  auto visit = [&](int64_t row) {
    since += work + 1;
    if (since > kBetweenAsking) {
      if (scope.stop.asked()) return false;
      since = 0;
    }
    body(row);
    return true;
  };
  if (count <= scope.affordable(work)) {
    for (int64_t row = 0; row < count && visit(row);) ++row;
    return;
  }
  for (int64_t row : sampleOf(count, scope.affordable(work)))
    if (!visit(row)) return;
}

}  // namespace quern
