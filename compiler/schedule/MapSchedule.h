// compiler/schedule/MapSchedule.h — how an elementwise op runs.
#pragma once

#include "compiler/schedule/ScheduleFamily.h"

namespace quern {

/// map: `unroll` vectors a step along the innermost merged axis, `chunk` elements a task.
struct MapSchedule : ScheduleFamily<MapSchedule> {
  static constexpr OpClass kClass = OpClass::Pointwise;
  static constexpr std::string_view kName = "map";
  enum Tail : int64_t { TailMask, TailScalar };
  int64_t lanes = 4, unroll = 1, chunk = 16384, tail = TailMask, stream = 0;

  static const std::vector<ScheduleField<MapSchedule>>& fields();
  static MapSchedule byDefault(const OpDesc& op, const Target& target);
  Result<void> validate(const OpDesc& op, const Target& target) const;
  ScheduleCost cost(const OpDesc& op, const Target& target) const;
  void fitTo(const OpDesc& op) { stream = streamFor(stream, op); }
  bool operator==(const MapSchedule&) const = default;
};

}  // namespace quern
