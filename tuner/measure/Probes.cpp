// tuner/measure/Probes.cpp — see Probes.h.
#include "tuner/measure/Probes.h"

#include <algorithm>

namespace quern {

#if defined(__x86_64__)

Probe probeOf(const Target& target) {
  auto offers = [&](const char* feature) {
    return std::find(target.features.begin(), target.features.end(), feature) != target.features.end();
  };
  int bits = target.isa().vectorBits;
  Probe probe = bits == 512 ? probe512() : bits == 256 ? probe256() : probe128();
  if (!offers(bits == 512 ? "avx512vnni" : "avxvnni")) probe.dots = probe.wordDots;
  if (!offers("avx512bf16")) probe.pairs = nullptr;
  if (offers("amx-tile") && offers("amx-bf16")) probe.tiles = tilesOfBf16;
  if (offers("amx-tile") && offers("amx-int8")) probe.tileBytes = tilesOfBytes;
  return probe;
}

std::vector<Probe> probesOf(const Target& target) {
  std::vector<Probe> probes = {probeOf(target)};
  if (target.isa().vectorBits == 512) {
    probes.push_back(probe256());
    probes.back().dots = nullptr;  // whether it has them is not asked
  }
  return probes;
}

#else

Probe probeOf(const Target&) { return probe128(); }
std::vector<Probe> probesOf(const Target& target) { return {probeOf(target)}; }

#endif

}  // namespace quern
