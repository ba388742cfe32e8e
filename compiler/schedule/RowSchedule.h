// compiler/schedule/RowSchedule.h — how softmax, reduce and the norms run.
#pragma once

#include "compiler/schedule/ScheduleFamily.h"

namespace quern {

/// softmax, reduce, norms: the 64 partial results of a row live in 64 / lanes registers; `rows` rows a task.
struct RowSchedule : ScheduleFamily<RowSchedule> {
  static constexpr OpClass kClass = OpClass::RowWise;
  static constexpr std::string_view kName = "row";
  int64_t lanes = 4, unroll = 1, rows = 16;

  static const std::vector<ScheduleField<RowSchedule>>& fields();
  static RowSchedule byDefault(const OpDesc& op, const Target& target);
  Result<void> validate(const OpDesc& op, const Target& target) const;
  ScheduleCost cost(const OpDesc& op, const Target& target) const;
  bool operator==(const RowSchedule&) const = default;
};

}  // namespace quern
