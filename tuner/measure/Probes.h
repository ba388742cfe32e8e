// tuner/measure/Probes.h — the loops that ceilings are measured with: plain intrinsics per level, no kernel of ours measures its own limit.
#pragma once

#include "compiler/target/Target.h"

#include <cstddef>
#include <vector>

namespace quern {

/// What one level of instructions offers. Streams take a multiple of 256 floats and go over them `rounds` times: what lies in L1 is read
/// so often in one call that its beginning and end do not count.
struct Probe {
  double (*fma)(int64_t rounds);  ///< returns operations done
  float (*read)(const float* from, size_t floats, int64_t rounds);
  void (*copy)(const float* from, float* to, size_t floats, int64_t rounds);
  double (*dots)(int64_t rounds) = nullptr;   ///< of bytes, four at once; null: the target has no such instruction
  double (*pairs)(int64_t rounds) = nullptr;  ///< of bf16, two at once
};

Probe probeOf(const Target& target);
/// One for each width of vectors that the target has, its own first: the widest need not be the fastest where it lowers the clock.
std::vector<Probe> probesOf(const Target& target);

}  // namespace quern
