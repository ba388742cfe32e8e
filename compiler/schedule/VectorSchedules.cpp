// compiler/schedule/VectorSchedules.cpp — see VectorSchedules.h.
#include "compiler/schedule/VectorSchedules.h"

#include "compiler/base/Checked.h"
#include "compiler/schedule/ScheduleCheck.h"

#include <algorithm>
#include <fmt/format.h>

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
      {"rows", &AttentionSchedule::rows, "rows of one task: queries of the heads that share keys", {}},
      {"mr", &AttentionSchedule::mr, "rows computed together: 1, 2 or 4", {}},
      {"kr", &AttentionSchedule::kr, "keys that meet the mr rows together, where they are read in place", {}},
      {"tiles", &AttentionSchedule::tiles, "tiles of 64 keys scored before their values are added; more than 1 for few rows", {}},
      {"pack",
       &AttentionSchedule::pack,
       "copy a tile of keys, then of values, together before it meets many rows, or read them in place",
       {"none", "kv"}},
      {"split", &AttentionSchedule::split, "1: a task for each 2048 keys, and a phase that merges them; for few rows and many keys", {}},
  };
  return all;
}

/// Bytes of scratch of one thread: scores, values and five numbers of each row, and a tile's copy.
static int64_t attentionScratch(const AttentionSchedule& s, const AttentionOp& op) {
  int64_t width = op.headDim.value;
  return 4 * (s.rows * ((kKeyTile + 1) * s.tiles + width + 4) + (s.pack == AttentionSchedule::PackKv ? kKeyTile * width : 16 * s.lanes));
}
static constexpr int64_t kMostScratch = 65536;

AttentionSchedule AttentionSchedule::byDefault(const OpDesc& given, const Target& target) {
  const auto& op = std::get<AttentionOp>(given);
  AttentionSchedule s;
  s.lanes = std::min<int64_t>(16, target.vectorLanes());
  // 8 scores, and two chains for each: 24 of 32 registers; half of that in 16.
  s.mr = s.lanes == 16 ? 4 : s.lanes == 8 ? 2 : 1;
  s.rows = 64;
  s.pack = PackKv;
  if (attentionScratch(s, op) > kMostScratch) s.rows = 32;
  if (attentionScratch(s, op) > kMostScratch) s.pack = PackNone;
  while (s.rows > 1 && attentionScratch(s, op) > kMostScratch) s.rows /= 2;
  s.mr = std::min(s.mr, s.rows);
  if (op.q.any() || op.q.value * (op.heads.value / op.kvHeads.value) > kFewRows) return s;
  AttentionSchedule few = s.forFewRows();
  few.split = op.kv.any() || op.kv.value > kKeySegment ? 1 : 0;
  while (few.rows > few.mr && attentionScratch(few, op) > kMostScratch) few.rows /= 2;
  while (few.tiles > 1 && attentionScratch(few, op) > kMostScratch) few.tiles /= 2;
  return few;
}

AttentionSchedule AttentionSchedule::forFewRows() const {
  AttentionSchedule few = *this;
  few.pack = PackNone;
  few.rows = std::min(kFewRows, rows);
  few.tiles = 4;
  few.split = 1;
  return few;
}

int64_t AttentionSchedule::valuesAtOnce(int rowCount, const Target& target) const {
  constexpr int kOthers = 6;  // the weight, and the values of a key
  return std::clamp<int64_t>((target.isa().vectorRegisters - kOthers) / rowCount, 1, 8);
}

Result<void> AttentionSchedule::validate(const OpDesc& given, const Target& target) const {
  const auto& op = std::get<AttentionOp>(given);
  ScheduleCheck check("attention", target);
  check.lanes(lanes);
  check.range("lanes", lanes, 4, 16);
  check.range("rows", rows, 1, 4096);
  check.range("tiles", tiles, 1, 32);
  if (!check.good()) return check.finish();  // the rules below compute with these
  if ((rows > 1 || pack == PackKv) && attentionScratch(*this, op) > kMostScratch)
    check.fail(fmt::format("rows={} pack={} takes {} bytes of scratch a thread, more than {}", rows, pack == PackKv ? "kv" : "none",
                           attentionScratch(*this, op), kMostScratch));
  check.range("mr", mr, 1, std::min<int64_t>({4, rows, lanes}));
  check.range("kr", kr, 1, lanes / std::max<int64_t>(1, mr));
  for (int64_t value : {mr, kr})
    if ((value & (value - 1)) != 0) check.fail(fmt::format("mr={} kr={}: powers of two are needed", mr, kr));
  check.range("split", split, 0, 1);
  if (tiles > 1 && pack == PackKv) check.fail(fmt::format("tiles={} with pack=kv, which copies one tile", tiles));
  return check.finish();
}

}  // namespace quern
