// compiler/schedule/MapSchedule.cpp — see MapSchedule.h.
#include "compiler/schedule/MapSchedule.h"

#include "compiler/base/Checked.h"
#include "compiler/schedule/ScheduleCheck.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace quern {

const std::vector<ScheduleField<MapSchedule>>& MapSchedule::fields() {
  static const std::vector<ScheduleField<MapSchedule>> all = {
      {"lanes", &MapSchedule::lanes, "f32 elements of one vector", {}},
      {"unroll", &MapSchedule::unroll, "vectors written out in the innermost loop", {}},
      {"chunk", &MapSchedule::chunk, "elements of one task", {}},
      {"tail", &MapSchedule::tail, "the last elements of a row: one masked vector, or one by one", {"mask", "scalar"}},
      {"stream", &MapSchedule::stream, kStreamMeaning, {}},
  };
  return all;
}

MapSchedule MapSchedule::byDefault(const OpDesc&, const Target& target) {
  MapSchedule s;
  s.lanes = target.vectorLanes();
  s.unroll = target.isa().vectorRegisters == 32 ? 2 : 1;
  s.tail = target.isa().masks == LaneMasks::None ? TailScalar : TailMask;
  return s;
}

Result<void> MapSchedule::validate(const OpDesc& op, const Target& target) const {
  ScheduleCheck check("map", target);
  check.lanes(lanes);
  check.range("unroll", unroll, 1, 16);
  check.range("chunk", chunk, 1, kMaxTask);
  check.stream(stream, lanes);
  if (stream > 0 && !std::get<MapOp>(op).inPlace.empty())
    check.fail(fmt::format("stream={} in place, where what is written was just read; legal: stream=0", stream));
  return check.finish();
}

ScheduleCost MapSchedule::cost(const OpDesc& op, const Target& target) const {
  TensorSpec out = outputOf(op);
  int64_t inner = out.dims.empty() ? 1 : out.dims.back().value;
  auto elements = static_cast<double>(out.elements()), loads = static_cast<double>(inputsOf(op).size());
  ScheduleCost cost;
  cost.waste = tail == TailMask ? tailWaste(inner, lanes) : 0;
  double each = std::max(operationsEach(op) / 2, loads / 2) + 0.5 / static_cast<double>(unroll);
  cost.slots = elements / static_cast<double>(lanes) / (1 - cost.waste) * each;
  if (tail == TailScalar)
    cost.slots += static_cast<double>(inner % lanes) * elements / static_cast<double>(std::max<int64_t>(1, inner)) * each;
  countBytes(cost, op, stream, target);
  cost.cycles = overlapped(cost) + kTaskCycles * std::ceil(elements / static_cast<double>(chunk));
  return cost;
}

}  // namespace quern
