// compiler/schedule/ScheduleCost.cpp — see ScheduleCost.h.
#include "compiler/schedule/ScheduleCost.h"

#include "compiler/base/Checked.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

std::string text(const ScheduleCost& cost) {
  constexpr std::string_view names[] = {"L1", "L2", "L3", "memory"};
  std::string out = fmt::format("{:.3g} cycles, {:.3g} slots", cost.cycles, cost.slots);
  for (size_t i = 0; i < cost.bytes.size(); ++i)
    if (cost.bytes[i] > 0) out += fmt::format(", {} {}", names[i], humanBytes(cost.bytes[i]));
  return out + fmt::format(", waste {:.0f} %", 100 * cost.waste);
}

double cyclesOf(double bytes, size_t level) {
  constexpr std::array<double, 4> kBytesPerCycle = {64, 26, 10, 4};
  return bytes / kBytesPerCycle[level];
}

size_t levelFor(double bytes, const Target& target) {
  constexpr double kRoom = 0.75;
  return bytes <= kRoom * static_cast<double>(target.l1Bytes)   ? 0
         : bytes <= kRoom * static_cast<double>(target.l2Bytes) ? 1
         : bytes <= static_cast<double>(target.l3Bytes)         ? 2
                                                                : 3;
}

void countBytes(ScheduleCost& cost, const OpDesc& op, int64_t stream, const Target& target) {
  constexpr size_t kMemory = 3;
  TensorSpec out = outputOf(op);
  auto written = static_cast<double>(bytesOf(out.type, out.elements())), all = minBytesOf(op);
  bool streams = stream > 0 && out.elements() >= stream;
  size_t level = levelFor(all, target);
  cost.bytes[level] += streams ? all - written : all;
  if (streams || level == kMemory) cost.bytes[kMemory] += written;
}

double overlapped(const ScheduleCost& cost) {
  double moved = 0;
  for (size_t i = 0; i < cost.bytes.size(); ++i) moved += cyclesOf(cost.bytes[i], i);
  constexpr double kShare = 0.2;  // of the shorter
  return std::max(cost.slots, moved) + kShare * std::min(cost.slots, moved);
}

double operationsEach(const OpDesc& op) {
  double elements = 1;
  for (const TensorDim& dim : outputOf(op).dims) elements *= static_cast<double>(std::max<int64_t>(1, dim.value));
  return flopsOf(op) / elements;
}

double tailWaste(int64_t length, int64_t step) {
  if (length <= 0) return 0;
  auto full = static_cast<double>(roundUp(length, step));
  return (full - static_cast<double>(length)) / full;
}

}  // namespace quern
