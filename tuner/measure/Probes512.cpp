// tuner/measure/Probes512.cpp — a Probe in vectors of AVX-512, compiled for them.
#include "tuner/measure/ProbeLoops.h"

#include <immintrin.h>

namespace quern {

static double dots512(int64_t rounds) {
  __m512i y = _mm512_set1_epi8(-5);
  return chained<12>(rounds, _mm512_setzero_si512(), _mm512_set1_epi8(3), 2 * 64,
                     [y](__m512i chain, __m512i x) { return _mm512_dpbusd_epi32(chain, x, y); });
}

static double pairs512(int64_t rounds) {
  return chained<12>(rounds, _mm512_setzero_ps(), _mm512_set1_epi16(0x3c00), 2 * 32, [](__m512 chain, __m512i bits) {
    auto x = reinterpret_cast<__m512bh>(bits);
    return _mm512_dpbf16_ps(chain, x, x);
  });
}

Probe probe512() {
  Probe probe = probeIn<64, 12>();
  probe.dots = dots512, probe.wordDots = wordDotsOf<64, 12>, probe.pairs = pairs512;
  return probe;
}

}  // namespace quern
