// compiler/schedule/VectorSchedules.cpp — see VectorSchedules.h.
#include "compiler/schedule/VectorSchedules.h"

#include "compiler/base/Checked.h"
#include "compiler/schedule/ScheduleCheck.h"

#include <algorithm>

namespace quern {

static constexpr int64_t kMaxTask = int64_t{1} << 40;

/// Elements of the last axis, a guess where it is known only at call time.
static int64_t rowLength(const OpDesc& op) {
  TensorSpec input = inputsOf(op).back();
  for (const TensorSpec& spec : inputsOf(op))
    if (spec.dims.size() > input.dims.size()) input = spec;
  if (input.dims.empty()) return 1;
  return input.dims.back().any() ? 256 : std::max<int64_t>(1, input.dims.back().value);
}

/// Rows such that a task moves about 16 Ki elements: some microseconds, long beside handing it out.
static int64_t rowsPerTask(const OpDesc& op) { return std::clamp<int64_t>(16384 / rowLength(op), 1, 1024); }

const std::vector<ScheduleField<MapSchedule>>& MapSchedule::fields() {
  static const std::vector<ScheduleField<MapSchedule>> all = {
      {"lanes", &MapSchedule::lanes, "f32 elements of one vector", {}},
      {"unroll", &MapSchedule::unroll, "vectors written out in the innermost loop", {}},
      {"chunk", &MapSchedule::chunk, "elements of one task", {}},
      {"tail", &MapSchedule::tail, "the last elements of a row: one masked vector, or one by one", {"mask", "scalar"}},
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

Result<void> MapSchedule::validate(const OpDesc&, const Target& target) const {
  ScheduleCheck check("map", target);
  check.lanes(lanes);
  check.range("unroll", unroll, 1, 16);
  check.range("chunk", chunk, 1, kMaxTask);
  return check.finish();
}

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
  s.unroll = target.isa().vectorRegisters == 32 ? 2 : 1;
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

const std::vector<ScheduleField<MoveSchedule>>& MoveSchedule::fields() {
  static const std::vector<ScheduleField<MoveSchedule>> all = {
      {"lanes", &MoveSchedule::lanes, "elements of one vector", {}},
      {"rows", &MoveSchedule::rows, "rows of one task", {}},
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
  return check.finish();
}

const std::vector<ScheduleField<AttentionSchedule>>& AttentionSchedule::fields() {
  static const std::vector<ScheduleField<AttentionSchedule>> all = {
      {"lanes", &AttentionSchedule::lanes, "f32 elements of one vector", {}},
      {"rows", &AttentionSchedule::rows, "query rows of one task", {}},
  };
  return all;
}

AttentionSchedule AttentionSchedule::byDefault(const OpDesc&, const Target& target) {
  AttentionSchedule s;
  s.lanes = target.vectorLanes();
  return s;
}

Result<void> AttentionSchedule::validate(const OpDesc&, const Target& target) const {
  ScheduleCheck check("attention", target);
  check.lanes(lanes);
  check.range("rows", rows, 1, kMaxTask);
  return check.finish();
}

}  // namespace quern
