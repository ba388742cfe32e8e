// compiler/loops/ir/Lanes.h — values at run time, as the interpreter has them.
#pragma once

#include "compiler/loops/ir/LoopProgram.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace quern {

/// A value at run time: of each lane its bits with zeros in front, masks as 0 or 1, an index in lane 0.
struct Lanes {
  uint64_t bits[kMaxLanes];
  int64_t index() const { return static_cast<int64_t>(bits[0]); }
  void setIndex(int64_t value) { bits[0] = static_cast<uint64_t>(value); }
};

inline float asFloat(uint64_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits)); }
inline double asDouble(uint64_t bits) { return std::bit_cast<double>(bits); }
inline uint64_t asBits(float value) { return std::bit_cast<uint32_t>(value); }
inline uint64_t asBits(double value) { return std::bit_cast<uint64_t>(value); }

/// The whole number in a lane of 1, 2 or 4 bytes.
inline int32_t wholeOf(Scalar scalar, uint64_t bits) {
  switch (scalar) {
    case Scalar::I8: return static_cast<int8_t>(bits);
    case Scalar::I16: return static_cast<int16_t>(bits);
    default: return static_cast<int32_t>(bits);
  }
}

/// Of a float toward 0: beyond the ends of Whole those, 0 of NaN.
template <class Whole>
Whole truncated(double value) {
  constexpr int kBits = std::numeric_limits<Whole>::digits;
  if (std::isnan(value)) return 0;
  if (value >= std::ldexp(1.0, kBits)) return std::numeric_limits<Whole>::max();
  return value <= -std::ldexp(1.0, kBits) ? std::numeric_limits<Whole>::min() : static_cast<Whole>(value);
}

}  // namespace quern
