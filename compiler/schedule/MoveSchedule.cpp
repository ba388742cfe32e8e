// compiler/schedule/MoveSchedule.cpp — see MoveSchedule.h.
#include "compiler/schedule/MoveSchedule.h"

#include "compiler/base/Checked.h"
#include "compiler/schedule/ScheduleCheck.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace quern {

const std::vector<ScheduleField<MoveSchedule>>& MoveSchedule::fields() {
  static const std::vector<ScheduleField<MoveSchedule>> all = {
      {"lanes", &MoveSchedule::lanes, "elements of one vector", {}},
      {"rows", &MoveSchedule::rows, "rows of one task", {}},
      {"stream", &MoveSchedule::stream, kStreamMeaning, {}},
  };
  return all;
}

MoveSchedule MoveSchedule::byDefault(const OpDesc& op, const Target& target) {
  MoveSchedule s;
  s.lanes = target.vectorLanes();
  s.rows = rowsPerTask(op);
  return s;
}

Result<void> MoveSchedule::validate(const OpDesc& op, const Target& target) const {
  ScheduleCheck check(nameOf(op), target);
  check.lanes(lanes);
  check.range("rows", rows, 1, kMaxTask);
  check.stream(stream, lanes);
  return check.finish();
}

ScheduleCost MoveSchedule::cost(const OpDesc& op, const Target& target) const {
  TensorSpec out = outputOf(op);
  int64_t inner = out.dims.empty() ? 1 : out.dims.back().value;
  ScheduleCost cost;
  cost.waste = tailWaste(inner, lanes);
  auto elements = static_cast<double>(out.elements());
  cost.slots = elements / static_cast<double>(lanes) / (1 - cost.waste);
  countBytes(cost, op, stream, target);
  cost.cycles = overlapped(cost) + kTaskCycles * std::ceil(elements / static_cast<double>(std::max<int64_t>(1, inner) * rows));
  return cost;
}

}  // namespace quern
