// compiler/schedule/MoveSchedule.h — how embedding, transpose, rope and cast run.
#pragma once

#include "compiler/schedule/ScheduleFamily.h"

namespace quern {

/// embedding, transpose: vectors where both sides are contiguous, `rows` rows a task.
struct MoveSchedule : ScheduleFamily<MoveSchedule> {
  static constexpr OpClass kClass = OpClass::Movement;
  static constexpr std::string_view kName = "move";
  int64_t lanes = 4, rows = 16, stream = 0;

  static const std::vector<ScheduleField<MoveSchedule>>& fields();
  static MoveSchedule byDefault(const OpDesc& op, const Target& target);
  Result<void> validate(const OpDesc& op, const Target& target) const;
  ScheduleCost cost(const OpDesc& op, const Target& target) const;
  void fitTo(const OpDesc& op) { stream = streamFor(stream, op); }
  bool operator==(const MoveSchedule&) const = default;
};

}  // namespace quern
