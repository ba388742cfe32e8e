// tools/recorded/DotNetRandom.cpp — see DotNetRandom.h.
#include "tools/recorded/DotNetRandom.h"

#include <cstdlib>

namespace quern {

static constexpr int32_t kModulus = 2147483647;

static int32_t lessModulo(int32_t a, int32_t b) {
  int64_t difference = int64_t{a} - b;
  return static_cast<int32_t>(difference < 0 ? difference + kModulus : difference);
}

DotNetRandom::DotNetRandom(int32_t seed) {
  constexpr int32_t kStart = 161803398;
  int32_t latest = kStart - std::abs(seed == INT32_MIN ? INT32_MAX : seed);
  int32_t other = 1;
  table_[55] = latest;
  for (int i = 1; i < 55; ++i) {
    auto place = static_cast<size_t>(21 * i % 55);
    table_[place] = other;
    other = lessModulo(latest, other);
    latest = table_[place];
  }
  for (int round = 0; round < 4; ++round)
    for (size_t i = 1; i < 56; ++i) table_[i] = lessModulo(table_[i], table_[1 + (i + 30) % 55]);
}

int32_t DotNetRandom::sample() {
  next_ = next_ == 55 ? 1 : next_ + 1;
  nextLag_ = nextLag_ == 55 ? 1 : nextLag_ + 1;
  int32_t value = lessModulo(table_[static_cast<size_t>(next_)], table_[static_cast<size_t>(nextLag_)]);
  if (value == kModulus) --value;
  return table_[static_cast<size_t>(next_)] = value;
}

double DotNetRandom::nextDouble() { return sample() * (1.0 / kModulus); }

int32_t DotNetRandom::next(int32_t low, int32_t high) { return static_cast<int32_t>(nextDouble() * (high - low)) + low; }

}  // namespace quern
