// compiler/base/Checked.h — arithmetic on sizes that come from outside: overflow is an answer, not a wrap.
#pragma once

#include <cstdint>
#include <optional>

namespace quern {

inline std::optional<int64_t> checkedAdd(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

inline std::optional<int64_t> checkedSub(int64_t a, int64_t b) {
  int64_t rest = 0;
  if (__builtin_sub_overflow(a, b, &rest)) return std::nullopt;
  return rest;
}

inline std::optional<int64_t> checkedMul(int64_t a, int64_t b) {
  int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

inline constexpr int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline constexpr int64_t roundUp(int64_t a, int64_t b) { return ceilDiv(a, b) * b; }

}  // namespace quern
