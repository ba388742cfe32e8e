// compiler/schedule/MapSchedule.cpp — see MapSchedule.h.
#include "compiler/schedule/MapSchedule.h"

#include "compiler/base/Checked.h"
#include "compiler/op/Activation.h"
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

/// Vectors at once that the functions in it want.
static int64_t together(const ScalarExpr& expr) {
  int64_t most = 1;
  const ActivationInfo* fn = expr.kind == ScalarExpr::Kind::Call ? info(expr.fn).activation : nullptr;
  if (fn != nullptr) most = fn->together;
  for (const ScalarExprRef& arg : expr.args) most = std::max(most, together(*arg));
  return most;
}

/// A function that is one long chain of dependent steps: several vectors fill the time between them.
static int64_t unrollFor(const OpDesc& op, const Target& target) {
  if (target.isa().vectorRegisters == 32) return 2;
  constexpr double kShort = 32;  // longer expressions have chains enough, and take LLVM long
  const auto* map = std::get_if<MapOp>(&op);
  return map != nullptr && flopsOf(*map->expr) <= kShort ? together(*map->expr) : 1;
}

MapSchedule MapSchedule::byDefault(const OpDesc& op, const Target& target) {
  MapSchedule s;
  s.lanes = target.vectorLanes();
  s.unroll = unrollFor(op, target);
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
