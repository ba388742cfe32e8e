// tuner/measure/Ceilings.h — what this machine can do at most, measured now: everything is quoted as a share of these.
#pragma once

#include "compiler/base/Stop.h"
#include "compiler/op/OpDesc.h"
#include "compiler/target/Target.h"

#include <array>
#include <memory>
#include <vector>

namespace quern {

/// One thread's limits with the instructions of one level.
struct Ceilings {
  static constexpr size_t kLevels = 4;  ///< L1, L2, L3, memory

  double fmaGflops = 0;   ///< f32 multiply-adds in registers, two operations each
  double dotGops = 0;     ///< the same of bytes into whole numbers, in one instruction for four, or as words in two; 0: there is neither
  double pairGflops = 0;  ///< the same of bf16, in one instruction for two; 0: there is none
  double tileGflops = 0;  ///< the same of bf16 in matrix tiles, at the faster of their speeds (TileSpeed.h); 0: there are none
  double tileGops = 0;    ///< the same of bytes
  double slowTiles = 0;   ///< the slower speed's rate over the faster's; 0: not seen
  std::array<double, kLevels> readGBs{};
  std::array<double, kLevels> copyGBs{};  ///< bytes read plus bytes written
  int64_t l1Bytes = 0, l2Bytes = 0, l3Bytes = 0;
  double coreShare = 1;  ///< of a core that the measuring thread had: below one, others ran on every core

  /// These, with matrix tiles at their slower speed, where it was seen.
  Ceilings withSlowTiles() const;
  /// The level that `bytes` of data live in.
  size_t levelOf(double bytes) const;
};

std::string_view levelName(size_t level);

/// Takes about `seconds`, and at most 128 MiB: in huge pages where the system gives them. No level is slower than the next one.
/// Once `stop` is asked the rest stays 0.
Ceilings measureCeilings(const Target& target, double seconds = 1.0, const Stop& stop = {});
/// Each limit the higher of both: a ceiling that something went through was measured while something else ran.
void raiseTo(Ceilings& ceilings, const Ceilings& again);

/// Threads that read memory together, each its own part of at least 64 MiB in huge pages: what all of them share.
class MemoryReaders {
public:
  MemoryReaders(const Target& target, int threads);
  /// 10^9 bytes a second, the median of some rounds that all begin together; a tenth of a second. Called between other measurements,
  /// for on a shared machine it drifts: what is held against it is a median too. 0: no memory for it.
  double readGBs() const;

private:
  const Target& target_;
  std::vector<std::shared_ptr<float>> parts_;
  size_t floats_ = 0;
};

/// Would the op's products be made in matrix tiles where a CPU has them? Its time then depends on their speed.
bool multipliesTiles(const OpDesc& op);

/// The least time one call of `op` (all dimensions known) can take: max of flops over the fma ceiling and bytes over the
/// read ceiling of the level its data lives in (the copy ceiling where it writes as much as it reads). 0: not measured.
double rooflineNs(const OpDesc& op, const Ceilings& ceilings);
/// Its part of that: operations at the rate of the instructions that the op's arithmetic is made for. 0: not measured.
double arithmeticNs(const OpDesc& op, const Ceilings& ceilings);

/// Of one core alone: the multiply-adds and L1's reads, best of all widths of vectors that `target` has; the others stay 0. Takes about
/// `seconds`, in which the best of many short blocks is found.
Ceilings measureCore(const Target& target, double seconds = 0.02, const Stop& stop = {});
/// What no kernel of `op` (all dimensions known) can be faster than, whatever its schedule, code and caches: the multiply-adds of its
/// products, and everything read or everything written as from L1. Far below rooflineNs where other things bind. 0: not measured.
double leastNs(const OpDesc& op, const Ceilings& core);
/// A time below leastNs by more than this is an error of measurement, and not of the ceiling: a clock that drifts more is called noisy.
inline constexpr double kMostOverCeiling = 1.1;

}  // namespace quern
