// compiler/schedule/ScheduleCost.h — what a call of a kernel should take on one core: it orders schedules, no more.
#pragma once

#include "compiler/op/OpDesc.h"
#include "compiler/target/Target.h"

#include <array>
#include <string>

namespace quern {

/// Rough figures of current server cores: two fma and two loads a cycle, an fma four cycles late.
struct ScheduleCost {
  double slots = 0;               ///< cycles of arithmetic and of loads from L1, where latency binds of waiting
  std::array<double, 4> bytes{};  ///< that come from L1, L2, L3, memory, or go there
  double waste = 0;               ///< of the slots, the part for lanes and rows that are not there: 0 to 1
  double cycles = 0;              ///< all of it
};
/// "8.2e+04 cycles, 6.1e+04 slots, L1 3 KiB, L2 48 KiB, waste 4 %"
std::string text(const ScheduleCost& cost);

/// Cycles to read or write `bytes` from a level (0: L1 ... 3: memory).
double cyclesOf(double bytes, size_t level);
/// The nearest level that holds `bytes` and leaves room for others.
size_t levelFor(double bytes, const Target& target);

/// Counts what the op reads and writes at the levels that hold it. A line of memory that is written is read before, unless the output, of
/// `stream` elements and more (0: never), goes past the caches.
void countBytes(ScheduleCost& cost, const OpDesc& op, int64_t stream, const Target& target);

/// `slots`, and `bytes` as they are, at their levels' rates: of what overlaps the longer, and a part of the shorter.
double overlapped(const ScheduleCost& cost);

inline constexpr double kTaskCycles = 60;  ///< to hand out one task

/// Arithmetic of one element of the op's output, in operations.
double operationsEach(const OpDesc& op);
/// The part of the last vectors of `length` elements that is not there.
double tailWaste(int64_t length, int64_t step);

}  // namespace quern
