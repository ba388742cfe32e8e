// tools/recorded/DotNetRandom.h — .NET's seeded generator: recorded workloads were drawn from it.
#pragma once

#include <array>
#include <cstdint>

namespace quern {

/// Knuth's subtractive generator as .NET's `new Random(seed)` has it: 55 entries, lags 55 and 34 (indices 0 and 21),
/// modulus 2^31 - 1. Source: Knuth, The Art of Computer Programming, vol. 2, 3.2.2; MSEED 161803398.
class DotNetRandom {
public:
  explicit DotNetRandom(int32_t seed);

  /// [0, 1): a sample over 2^31 - 1.
  double nextDouble();
  /// [low, high): truncated.
  int32_t next(int32_t low, int32_t high);
  /// nextDouble scaled to [low, high), rounded to f32.
  float uniform(double low, double high) { return static_cast<float>(low + nextDouble() * (high - low)); }

private:
  int32_t sample();

  std::array<int32_t, 56> table_{};
  int next_ = 0, nextLag_ = 21;
};

}  // namespace quern
