// tuner/measure/ProbeLoops.h — the loops of a Probe over vectors of any width. Every file that includes this has its own, compiled for its
// level of instructions (`meson.build` beside it); products and sums become one instruction where the level has it.
#pragma once

#include "tuner/measure/Probe.h"

#include <cstring>

namespace quern {

template <size_t kBytes>
using FloatVector [[gnu::vector_size(kBytes)]] = float;

/// The compiler knows no more of it.
template <class Vector>
[[gnu::always_inline]] static inline void renew(Vector& x) {
#if defined(__x86_64__)
  asm volatile("" : "+v"(x));
#else
  asm volatile("" : "+w"(x));
#endif
}

/// So many chains of step(chain, x): more than the latency of a step (4 to 5 cycles) times the two pipes. The inner loop is unrolled on
/// request: an array indexed by a loop would live in memory. Returns operations done, `each` a step.
template <int kChains, class Vector, class Operand, class Step>
[[gnu::always_inline]] static inline double chained(int64_t rounds, Vector start, Operand x, int each, Step step) {
  Vector chains[kChains];
  for (Vector& chain : chains) chain = start;
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (Vector& chain : chains) chain = step(chain, x);
    renew(x);
  }
#pragma GCC unroll 16
  for (Vector& chain : chains) renew(chain);
  return static_cast<double>(rounds) * kChains * each;
}

template <size_t kBytes, int kChains>
static double fmaOf(int64_t rounds) {
  using Vector = FloatVector<kBytes>;
  Vector one = Vector{} + 1.0F, y = Vector{} + 1e-9F;
  return chained<kChains>(rounds, one, one * 0.999F, 2 * kBytes / sizeof(float), [y](Vector chain, Vector x) { return chain * x + y; });
}

#if defined(__AVX2__)
template <size_t kBytes>
using ShortVector [[gnu::vector_size(kBytes)]] = short;

/// Products of bytes as words, and sums of words. The compiler may not make one product of those of all chains.
template <size_t kBytes, int kChains>
static double wordDotsOf(int64_t rounds) {
  using Vector = ShortVector<kBytes>;
  constexpr short kThrees = 0x0303, kMinusFives = static_cast<short>(0xfbfb);
  Vector y = Vector{} + kMinusFives;
  return chained<kChains>(rounds, Vector{}, Vector{} + kThrees, 2 * kBytes, [y](Vector chain, Vector x) {
    Vector words;
    asm volatile("vpmaddubsw %2, %1, %0" : "=v"(words) : "v"(x), "v"(y));
    return chain + words;
  });
}
#endif

template <size_t kBytes>
static float readOf(const float* from, size_t floats, int64_t rounds) {
  using Vector = FloatVector<kBytes>;
  constexpr size_t kLanes = kBytes / sizeof(float), kSums = 8;
  Vector sums[kSums] = {};
  for (int64_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < floats; i += kSums * kLanes)
#pragma GCC unroll 8
      for (size_t j = 0; j < kSums; ++j) {
        Vector x;
        std::memcpy(&x, from + i + j * kLanes, sizeof x);
        sums[j] += x;
      }
    asm volatile("" ::: "memory");
  }
  for (size_t j = 1; j < kSums; ++j) sums[0] += sums[j];
  float sum = 0;
  for (size_t lane = 0; lane < kLanes; ++lane) sum += sums[0][lane];
  return sum;
}

template <size_t kBytes>
static void copyOf(const float* from, float* to, size_t floats, int64_t rounds) {
  constexpr size_t kLanes = kBytes / sizeof(float), kAtOnce = 4;
  for (int64_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < floats; i += kAtOnce * kLanes)
#pragma GCC unroll 8
      for (size_t j = 0; j < kAtOnce; ++j) {
        FloatVector<kBytes> x;
        std::memcpy(&x, from + i + j * kLanes, sizeof x);
        std::memcpy(to + i + j * kLanes, &x, sizeof x);
      }
    asm volatile("" ::: "memory");
  }
}

template <size_t kBytes, int kChains>
static Probe probeIn() {
  return {fmaOf<kBytes, kChains>, readOf<kBytes>, copyOf<kBytes>, nullptr, nullptr};
}

}  // namespace quern
