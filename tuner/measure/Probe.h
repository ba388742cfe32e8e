// tuner/measure/Probe.h — the loops that ceilings are measured with, one set for each width of vectors. Files that are compiled for a level
// of instructions of their own include this: nothing with code stands here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace quern {

/// What one level of instructions offers. Streams take a multiple of 256 floats and go over them `rounds` times: what lies in L1 is read
/// so often in one call that its beginning and end do not count.
struct Probe {
  double (*fma)(int64_t rounds);  ///< returns operations done
  float (*read)(const float* from, size_t floats, int64_t rounds);
  void (*copy)(const float* from, float* to, size_t floats, int64_t rounds);
  double (*dots)(int64_t rounds) = nullptr;       ///< of bytes, four at once; null: the target has no such instruction
  double (*wordDots)(int64_t rounds) = nullptr;   ///< of bytes in words, a product of pairs and a sum; null: as above
  double (*pairs)(int64_t rounds) = nullptr;      ///< of bf16, two at once
  double (*tiles)(int64_t rounds) = nullptr;      ///< of bf16, 16 x 16 x 32 at once
  double (*tileBytes)(int64_t rounds) = nullptr;  ///< of bytes, 16 x 16 x 64 at once
};

/// In vectors of so many bits, with all instructions for dots and pairs that there are of them. To be called where the machine has such
/// vectors.
Probe probe512();
Probe probe256();
Probe probe128();
/// In matrix tiles (AMX), configured and released in each call. To be called where this process may use them.
double tilesOfBf16(int64_t rounds);
double tilesOfBytes(int64_t rounds);

}  // namespace quern
