// tuner/measure/Probes128.cpp — a Probe in vectors of 16 bytes, which every CPU has.
#include "tuner/measure/ProbeLoops.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace quern {

#if defined(__x86_64__)
static constexpr int kChains = 12;  // of 16 registers; a step is a product and a sum, 6 to 8 cycles

/// Eight bytes as words in a product; the compiler may not make one of those of all chains.
static double wordDots128(int64_t rounds) {
  __m128i y = _mm_set1_epi16(-5);
  return chained<kChains>(rounds, _mm_setzero_si128(), _mm_set1_epi16(3), 2 * 8, [y](__m128i chain, __m128i x) {
    asm volatile("pmaddwd %1, %0" : "+x"(x) : "x"(y));
    return _mm_add_epi32(chain, x);
  });
}
#else
static constexpr int kChains = 16;
#endif

Probe probe128() {
  Probe probe = probeIn<16, kChains>();
#if defined(__x86_64__)
  probe.wordDots = wordDots128;
#endif
  return probe;
}

}  // namespace quern
