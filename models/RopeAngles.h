// models/RopeAngles.h — cosines and sines of every position's angles, made once, in double.
#pragma once

#include "models/ModelConfig.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace quern {

/// A table [positions, W], each row W/2 cosines, then W/2 sines, as the op rope takes them. Rows are made once they are needed: a
/// model's context may be millions of positions, its texts are not.
///
/// Ownership  the table is the caller's.
class RopeAngles {
public:
  RopeAngles() = default;
  /// Of W = `width` elements. `factors`: each pair's frequency is divided by its own (empty: by none), then scaled as the config says;
  /// Llama 3's scaling is in the factors where there are any.
  RopeAngles(const RopeConfig& rope, int64_t width, std::span<const float> factors, float* table);

  /// Makes the rows up to `positions` that are not there yet. Makes no allocation. Threads: any, at once; those who find rows missing wait
  /// for each other.
  void reach(int64_t positions) const;

private:
  struct Made {
    std::mutex guard;
    std::atomic<int64_t> rows{0};
  };
  std::vector<double> frequencies_;  ///< radians per position
  double magnitude_ = 1;
  float* table_ = nullptr;
  std::shared_ptr<Made> made_ = std::make_shared<Made>();
};

}  // namespace quern
