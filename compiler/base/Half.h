// compiler/base/Half.h — IEEE half precision and bfloat16 as bits, converted by integer arithmetic: the same on every machine and
// under every MXCSR.
#pragma once

#include <bit>
#include <cstdint>

namespace quern {

/// Exact. A NaN keeps its sign and payload and becomes quiet.
inline float floatOfHalf(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16, exponent = (half >> 10) & 31u, fraction = half & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13) | (fraction != 0 ? 0x400000u : 0));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  if (fraction == 0) return std::bit_cast<float>(sign);
  auto shift = static_cast<uint32_t>(std::countl_zero(fraction)) - 21;  // brings the leading one to bit 10
  return std::bit_cast<float>(sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ffu) << 13));
}

/// To nearest, ties to even; from 65520 on infinite. A NaN becomes quiet and keeps the top of its payload.
inline uint16_t halfOfFloat(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x33000000u) return static_cast<uint16_t>(sign);  // below half of the least denormal
  uint32_t exponent = magnitude >> 23;
  // A normal half loses 13 bits; below 2^-14 one more for every power of two.
  uint32_t lost = exponent >= 113 ? 13 : 126 - exponent;
  uint32_t whole = exponent >= 113 ? magnitude - (112u << 23) : (magnitude & 0x7fffffu) | 0x800000u;
  uint32_t kept = whole >> lost, rest = whole & ((1u << lost) - 1), tie = 1u << (lost - 1);
  if (rest > tie || (rest == tie && (kept & 1) != 0)) ++kept;
  return static_cast<uint16_t>(sign | kept);
}

inline float floatOfBfloat(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

/// To nearest, ties to even. A NaN becomes quiet.
inline uint16_t bfloatOfFloat(float value) {
  auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace quern
