// tuner/measure/Spread.h — what a sample says of what it was drawn from, by ranks alone.
#pragma once

#include <vector>

namespace quern {

/// The middle of a sample and the order statistics around it that hold the true median with about 95 %.
struct Spread {
  double median = 0, low = 0, high = 0;
};
Spread spreadOf(std::vector<double> samples);

}  // namespace quern
