// compiler/loops/ir/HalfSums.h — two numbers of 16 bits in a word: what short_dots, add_halves and sum_halves give.
#pragma once

#include <algorithm>
#include <cstdint>

namespace quern {

/// Of four bytes without and four with a sign, one in each word.
inline uint32_t shortDots(const uint64_t* plain, const uint64_t* withSign) {
  auto pair = [&](int first) {
    int sum = 0;
    for (int i = first; i < first + 2; ++i) sum += static_cast<uint8_t>(plain[i]) * static_cast<int8_t>(withSign[i]);
    return static_cast<uint16_t>(std::clamp<int>(sum, INT16_MIN, INT16_MAX));
  };
  return pair(0) | uint32_t{pair(2)} << 16;
}

inline uint32_t addHalves(uint32_t x, uint32_t y) { return ((x + y) & 0xffff) | ((x & 0xffff0000) + (y & 0xffff0000)); }

inline uint32_t sumHalves(uint32_t sum, uint32_t halves) {
  int both = static_cast<int16_t>(halves & 0xffff) + static_cast<int16_t>(halves >> 16);
  return sum + static_cast<uint32_t>(both);
}

}  // namespace quern
