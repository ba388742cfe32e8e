// tuner/measure/TileSpeed.h — which of its two speeds a core's matrix unit runs at while something is timed.
#pragma once

#include "compiler/target/Target.h"

#include <functional>
#include <string_view>
#include <vector>

namespace quern {

/// Matrix units (AMX) have been seen at two speeds: a product takes 6.2 to 7 or 14 to 18 ns, flips within a second, each core apart,
/// whatever the data, while the rate of fma stays, so that the probe of Noise.h does not see it. What is timed at one speed says nothing
/// beside what is timed at the other; 20 us of products before, between and after two blocks tell.
class TileSpeed {
public:
  enum class Mode { Fast, Slow };

  /// Watches nothing: all is alike.
  TileSpeed() = default;
  /// `products`: does so many rounds of products and returns the operations done; the clock and the products are for tests.
  explicit TileSpeed(std::function<double(int64_t rounds)> products, std::function<double()> clock = {});
  /// Of the matrix unit of this host; watches nothing where `target` has none.
  static TileSpeed of(const Target& target);

  bool watches() const { return static_cast<bool>(products_); }
  /// Operations a nanosecond, now. About 20 us.
  double probe();
  /// Do these rates, taken around something, belong to one speed?
  static bool alike(const std::vector<double>& rates);
  /// Of a rate, beside the highest that was seen so far: below 0.7 of it, slow.
  Mode modeOf(double rate) const;

private:
  std::function<double(int64_t)> products_;
  std::function<double()> clock_;
  double most_ = 0;
};

std::string_view nameOf(TileSpeed::Mode mode);

}  // namespace quern
