// compiler/schedule/VectorSchedules.h — schedules of the ops that stream: pointwise, row-wise, movement, attention.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/op/OpDesc.h"
#include "compiler/schedule/ScheduleField.h"
#include "compiler/target/Target.h"

namespace quern {

/// map: `unroll` vectors a step along the innermost merged axis, `chunk` elements a task.
struct MapSchedule {
  enum Tail : int64_t { TailMask, TailScalar };
  int64_t lanes = 4, unroll = 1, chunk = 16384, tail = TailMask;

  static const std::vector<ScheduleField<MapSchedule>>& fields();
  static MapSchedule byDefault(const OpDesc& op, const Target& target);
  Result<void> validate(const OpDesc& op, const Target& target) const;
  bool operator==(const MapSchedule&) const = default;
};

/// softmax, reduce, norms: the 64 partial results of a row live in 64 / lanes registers; `rows` rows a task.
struct RowSchedule {
  int64_t lanes = 4, unroll = 1, rows = 16;

  static const std::vector<ScheduleField<RowSchedule>>& fields();
  static RowSchedule byDefault(const OpDesc& op, const Target& target);
  Result<void> validate(const OpDesc& op, const Target& target) const;
  bool operator==(const RowSchedule&) const = default;
};

/// embedding, transpose: vectors where both sides are contiguous, `rows` rows a task.
struct MoveSchedule {
  int64_t lanes = 4, rows = 16;

  static const std::vector<ScheduleField<MoveSchedule>>& fields();
  static MoveSchedule byDefault(const OpDesc& op, const Target& target);
  Result<void> validate(const OpDesc& op, const Target& target) const;
  bool operator==(const MoveSchedule&) const = default;
};

/// attention: `rows` rows (queries of the heads that share keys) a task, mr rows at a time.
struct AttentionSchedule {
  enum Pack : int64_t { PackNone, PackKv };
  int64_t lanes = 4, rows = 8, mr = 1, kr = 1, tiles = 1, pack = PackNone, split = 0;

  static const std::vector<ScheduleField<AttentionSchedule>>& fields();
  static AttentionSchedule byDefault(const OpDesc& op, const Target& target);
  Result<void> validate(const OpDesc& op, const Target& target) const;
  bool operator==(const AttentionSchedule&) const = default;

  /// Rows up to which keys and values are better read in place.
  static constexpr int64_t kFewRows = 16;
  /// This one for few rows: read in place, many tiles scored ahead, long caches split.
  AttentionSchedule forFewRows() const;
  /// Vectors of head_dim that are summed together, for `rowCount` rows in registers.
  int64_t valuesAtOnce(int rowCount, const Target& target) const;
};

}  // namespace quern
