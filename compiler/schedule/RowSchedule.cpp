// compiler/schedule/RowSchedule.cpp — see RowSchedule.h.
#include "compiler/schedule/RowSchedule.h"

#include "compiler/base/Checked.h"
#include "compiler/schedule/ScheduleCheck.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace quern {

const std::vector<ScheduleField<RowSchedule>>& RowSchedule::fields() {
  static const std::vector<ScheduleField<RowSchedule>> all = {
      {"lanes", &RowSchedule::lanes, "f32 elements of one vector", {}},
      {"unroll", &RowSchedule::unroll, "vectors written out where a row is streamed", {}},
      {"rows", &RowSchedule::rows, "rows of one task", {}},
  };
  return all;
}

RowSchedule RowSchedule::byDefault(const OpDesc& op, const Target& target) {
  RowSchedule s;
  s.lanes = target.vectorLanes();
  s.unroll = 2;
  s.rows = rowsPerTask(op);
  return s;
}

Result<void> RowSchedule::validate(const OpDesc& op, const Target& target) const {
  ScheduleCheck check(nameOf(op), target);
  check.lanes(lanes);
  check.range("unroll", unroll, 1, 16);
  check.range("rows", rows, 1, kMaxTask);
  return check.finish();
}

ScheduleCost RowSchedule::cost(const OpDesc& op, const Target& target) const {
  constexpr double kPartials = 64, kFold = 40;  // of a row's sums; cycles to fold them
  int64_t length = rowLength(op);
  double elements = static_cast<double>(inputsOf(op).front().elements()), count = elements / static_cast<double>(length);
  ScheduleCost cost;
  cost.waste = tailWaste(length, lanes);
  double operations = flopsOf(op) / std::max(1.0, elements);
  double each = operations / 2 + 1 + 0.5 / static_cast<double>(unroll);
  bool spills = kPartials / static_cast<double>(lanes) + static_cast<double>(unroll) > target.isa().vectorRegisters;
  cost.slots = elements / static_cast<double>(lanes) / (1 - cost.waste) * each * (spills ? 1.1 : 1) + kFold * count;
  cost.bytes[levelFor(minBytesOf(op), target)] = minBytesOf(op);
  cost.bytes[levelFor(4.0 * static_cast<double>(length), target)] += 4 * elements;  // a row is read again
  cost.cycles = overlapped(cost) + kTaskCycles * std::ceil(count / static_cast<double>(rows));
  return cost;
}

}  // namespace quern
