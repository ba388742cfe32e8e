// compiler/loops/ir/HalfSums.h — words taken apart: two numbers of 16 bits, which short_dots, add_halves and sum_halves give, and the four
// bytes of lookup_bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

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

inline uint32_t bytesLookedUp(uint32_t word, std::span<const float> table) {
  uint32_t out = 0;
  for (int shift = 0; shift < 32; shift += 8)
    if (uint32_t byte = (word >> shift) & 0xff; byte < 0x80)
      out |= (static_cast<uint32_t>(static_cast<int>(table[byte % 16])) & 0xff) << shift;
  return out;
}

}  // namespace quern
