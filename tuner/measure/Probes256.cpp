// tuner/measure/Probes256.cpp — a Probe in vectors of AVX2, compiled for them.
#include "tuner/measure/ProbeLoops.h"

#include <immintrin.h>

namespace quern {

static double dots256(int64_t rounds) {
  __m256i y = _mm256_set1_epi8(-5);
  return chained<12>(rounds, _mm256_setzero_si256(), _mm256_set1_epi8(3), 2 * 32,
                     [y](__m256i chain, __m256i x) { return _mm256_dpbusd_avx_epi32(chain, x, y); });
}

Probe probe256() {
  Probe probe = probeIn<32, 12>();
  probe.dots = dots256, probe.wordDots = wordDotsOf<32, 12>;
  return probe;
}

}  // namespace quern
