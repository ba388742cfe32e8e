// compiler/loops/ir/FlushedFma.h — fma as the instructions for pairs of bf16 have it, in ordinary arithmetic.
#pragma once

#include <cmath>
#include <utility>

namespace quern {

/// fma with numbers below 2^-126 in size, arguments and result, as 0 of their sign: whether a result is that small is seen after it was
/// rounded to 24 bits wherever its exponent is.
inline float flushedFma(float a, float b, float c) {
  constexpr float kNormal = 0x1p-126F, kUp = 0x1p64F;
  auto flushed = [](float x) { return std::fabs(x) < kNormal ? std::copysign(0.0F, x) : x; };
  a = flushed(a), b = flushed(b), c = flushed(c);
  float sum = std::fmaf(a, b, c);
  if (std::fabs(sum) == kNormal) {  // it may have been rounded up to this as a number of fewer bits
    if (std::fabs(a) < std::fabs(b)) std::swap(a, b);
    if (std::fabs(std::fmaf(a, b * kUp, c * kUp)) < kNormal * kUp) return std::copysign(0.0F, sum);
  }
  return flushed(sum);
}

}  // namespace quern
