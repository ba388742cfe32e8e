// tests/numeric/PairArithmetic.h — products of bf16 as op/MatmulOp.h defines them, number by number, and the CPUs that they are tried on.
#pragma once

#include "compiler/base/Half.h"
#include "compiler/op/OpCommon.h"
#include "tests/Support.h"

#include <cmath>
#include <immintrin.h>
#include <span>

namespace quern {

/// Numbers below 2^-126 in size are 0 while this lives, as in the instructions.
class FlushingState {
public:
  FlushingState() : before_(_mm_getcsr()) { _mm_setcsr(0x9FC0); }
  FlushingState(const FlushingState&) = delete;
  ~FlushingState() { _mm_setcsr(before_); }

private:
  unsigned before_;
};

/// Not to be moved to where nothing is flushed.
[[gnu::noinline]] inline float fmaByHardware(float a, float b, float c) { return std::fmaf(a, b, c); }
[[gnu::noinline]] inline float sumByHardware(float a, float b) { return std::fmaf(a, 1.0F, b); }

/// One output: from `c`, over the numbers of both; a pair or a step of 32 that they do not fill has zeros.
inline float pairsByDefinition(PairOrder order, std::span<const uint16_t> a, std::span<const uint16_t> b, float c) {
  FlushingState flushing;
  auto at = [](std::span<const uint16_t> of, size_t i) { return i < of.size() ? floatOfBfloat(of[i]) : 0.0F; };
  if (order == PairOrder::Pairs) {
    for (size_t k = 0; k < a.size(); k += 2) c = fmaByHardware(at(a, k), at(b, k), fmaByHardware(at(a, k + 1), at(b, k + 1), c));
    return c;
  }
  for (size_t first = 0; first < a.size(); first += 32) {
    float even = 0, odd = 0;
    for (size_t k = first; k < first + 32; k += 2) {
      even = fmaByHardware(at(a, k), at(b, k), even);
      odd = fmaByHardware(at(a, k + 1), at(b, k + 1), odd);
    }
    c = sumByHardware(c, sumByHardware(even, odd));
  }
  return c;
}

/// The levels of this host, and what has the instruction for pairs, or matrix units, beside them.
inline std::vector<Target> pairTargets() {
  std::vector<Target> targets = runnableLevels();
  Target wide = *parseTarget("pairs level=x86-64-v4 features=avx512bf16");
  Target tiles = *parseTarget("tiles level=x86-64-v4 features=amx-bf16,amx-tile");
  if (hostTarget().lackingFor(wide).empty()) targets.push_back(wide);
  if (hostTarget().lackingFor(tiles).empty()) targets.push_back(tiles);
  else WARN("not on matrix units: this machine has no AMX");
  return targets;
}

}  // namespace quern
