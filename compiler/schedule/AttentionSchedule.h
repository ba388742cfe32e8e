// compiler/schedule/AttentionSchedule.h — how attention runs.
#pragma once

#include "compiler/schedule/ScheduleFamily.h"

namespace quern {

/// attention: `rows` rows (queries of the heads that share keys) a task, mr rows at a time.
struct AttentionSchedule : ScheduleFamily<AttentionSchedule> {
  static constexpr OpClass kClass = OpClass::Attention;
  static constexpr std::string_view kName = "attention";
  enum Pack : int64_t { PackNone, PackKv };
  enum Dots : int64_t { DotsPlain, DotsBf16, DotsAmx };
  int64_t lanes = 4, rows = 8, mr = 1, kr = 1, tiles = 1, pack = PackNone, split = 0, dots = DotsPlain;

  static const std::vector<ScheduleField<AttentionSchedule>>& fields();
  static AttentionSchedule byDefault(const OpDesc& op, const Target& target);
  Result<void> validate(const OpDesc& op, const Target& target) const;
  ScheduleCost cost(const OpDesc& op, const Target& target) const;
  std::vector<std::string> needs(const OpDesc& op) const;
  bool operator==(const AttentionSchedule&) const = default;

  /// Rows up to which keys and values are better read in place.
  static constexpr int64_t kFewRows = 16;
  static SizeDims sizeDims(const OpDesc& op);
  bool sharesWeight(const AttentionSchedule& /*other*/) const { return true; }  // a cache is packed for no one
  std::vector<std::pair<SizeBound, AttentionSchedule>> sizeClasses(const OpDesc& op, const Target& target) const;
  /// This one for few rows: read in place, many tiles scored ahead, long caches split.
  AttentionSchedule forFewRows(const OpDesc& /*op*/, const Target& /*target*/) const { return fewRows(); }
  AttentionSchedule fewRows() const;
  /// That, where a head's keys meet so many rows only: no more of them together than there are, and more keys in their place.
  AttentionSchedule forSoManyRows(const AttentionOp& op, int64_t rowCount) const;
  /// Vectors of head_dim that are summed together, for `rowCount` rows in registers.
  int64_t valuesAtOnce(const AttentionOp& op, int rowCount, const Target& target) const;
  /// With a=bf16, vectors of sums for `rowCount` rows that fit into registers: of keys scored together, or of head_dim.
  int64_t pairVectors(const AttentionOp& op, int rowCount, const Target& target) const;

private:
  void checkTiles(class ScheduleCheck& check, const AttentionOp& op, const Target& target) const;
};

}  // namespace quern
