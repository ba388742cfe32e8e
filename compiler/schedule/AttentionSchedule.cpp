// compiler/schedule/AttentionSchedule.cpp — see AttentionSchedule.h.
#include "compiler/schedule/AttentionSchedule.h"

#include "compiler/base/Checked.h"
#include "compiler/schedule/ScheduleCheck.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace quern {

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
      {"dots",
       &AttentionSchedule::dots,
       "bf16: with a=bf16 order=pairs one instruction for two products; amx: with order=tile32 one for matrix tiles of them, sixteen rows "
       "at "
       "a time; plain: what the level has",
       {"plain", "bf16", "amx"}},
  };
  return all;
}

std::vector<std::string> AttentionSchedule::needs(const OpDesc& /*op*/) const {
  if (dots == DotsBf16) return {std::string(kPairsFeature)};
  if (dots == DotsAmx) return {std::begin(kTilesOfPairs), std::end(kTilesOfPairs)};
  return {};
}

/// Of matrix tiles all are whole: sixteen rows of the task, 32 products of a score, 32 columns.
static constexpr int64_t kTileProducts = 32;

/// Bytes of scratch of one thread: scores, values and five numbers of each row, and a tile's copy. With a=bf16 queries and weights in
/// words, and a copy in words, of keys at least.
static int64_t attentionScratch(const AttentionSchedule& s, const AttentionOp& op) {
  int64_t width = op.valueDim(), words = ceilDiv(width, 2), copy = std::max(op.headDim.value, width);
  int64_t copied = s.dots == AttentionSchedule::DotsAmx ? kKeyTile / 2 * ceilDiv(width, kKeyTile) : words;
  if (op.a == RoundedTo::BF16) return 4 * (s.rows * ((kKeyTile + 1 + kKeyTile / 2) * s.tiles + words + width + 4) + kKeyTile * copied);
  return 4 * (s.rows * ((kKeyTile + 1) * s.tiles + width + 4) + (s.pack == AttentionSchedule::PackKv ? kKeyTile * copy : 16 * s.lanes));
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
  if (op.a == RoundedTo::BF16 && op.order == PairOrder::Pairs && hasFeature(target, kPairsFeature)) s.dots = DotsBf16;
  AttentionSchedule tiles = s;
  tiles.dots = DotsAmx;
  while (tiles.rows > kTileRows && attentionScratch(tiles, op) > kMostScratch) tiles.rows /= 2;
  if (tiles.validate(given, target)) s = tiles;
  if (attentionScratch(s, op) > kMostScratch) s.rows = 32;
  if (attentionScratch(s, op) > kMostScratch) s.pack = PackNone;
  while (s.rows > 1 && attentionScratch(s, op) > kMostScratch) s.rows /= 2;
  s.mr = std::min(s.mr, s.rows);
  if (op.q.any() || op.q.value * (op.heads.value / op.kvHeads.value) > kFewRows) return s;
  AttentionSchedule few = s.forSoManyRows(op, op.q.value * (op.heads.value / op.kvHeads.value));
  few.split = op.kv.any() || op.kv.value > kKeySegment ? 1 : 0;
  while (few.rows > few.mr && attentionScratch(few, op) > kMostScratch) few.rows /= 2;
  while (few.tiles > 1 && attentionScratch(few, op) > kMostScratch) few.tiles /= 2;
  return few;
}

AttentionSchedule AttentionSchedule::fewRows() const {
  AttentionSchedule few = *this;
  few.pack = PackNone;
  if (dots == DotsAmx) few.dots = DotsPlain;
  few.rows = std::min(kFewRows, rows);
  few.tiles = 4;
  few.split = 1;
  return few;
}

AttentionSchedule AttentionSchedule::forSoManyRows(const AttentionOp& op, int64_t rowCount) const {
  AttentionSchedule few = fewRows();
  while (few.mr > std::max<int64_t>(1, rowCount)) few.mr /= 2;
  if (op.a == RoundedTo::F32) few.kr = std::clamp<int64_t>(mr / few.mr, 1, lanes / few.mr);
  return few;
}

int64_t AttentionSchedule::pairVectors(const AttentionOp& op, int rowCount, const Target& target) const {
  int64_t registers = target.isa().vectorRegisters;
  // A word of the vector, one of the row; without the instruction both numbers of them, with tile32 two chains for each sum.
  if (dots == DotsBf16) return std::max<int64_t>(1, (registers - 1) / (rowCount + 1));
  int64_t chains = op.order == PairOrder::Tile32 ? 2 : 1;
  return std::max<int64_t>(1, (registers - 2) / (chains * rowCount + 2));
}

int64_t AttentionSchedule::valuesAtOnce(const AttentionOp& op, int rowCount, const Target& target) const {
  if (op.a == RoundedTo::BF16) return std::min<int64_t>(pairVectors(op, rowCount, target), 8);
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
  if (op.a == RoundedTo::BF16 && kr != 1) check.fail(fmt::format("kr={} with a=bf16, whose keys are turned; legal: kr=1", kr));
  if (op.a == RoundedTo::BF16 && target.isa().arch != "x86_64")
    check.fail(fmt::format("a=bf16 on {}, which takes small numbers for 0 before it rounds; a=f32 is computed", target.isa().name));
  bool pairs = op.a == RoundedTo::BF16 && op.order == PairOrder::Pairs;
  if (dots == DotsBf16 && (!pairs || !hasFeature(target, kPairsFeature)))
    check.fail(!pairs ? "dots=bf16 without a=bf16 order=pairs; legal: dots=plain"
                      : fmt::format("dots=bf16 needs {}, which {} lacks; legal: dots=plain", kPairsFeature, target.name));
  if (dots == DotsAmx) checkTiles(check, op, target);
  return check.finish();
}

void AttentionSchedule::checkTiles(ScheduleCheck& check, const AttentionOp& op, const Target& target) const {
  if (op.a != RoundedTo::BF16 || op.order != PairOrder::Tile32) check.fail("dots=amx without a=bf16 order=tile32; legal: dots=plain");
  for (std::string_view each : kTilesOfPairs)
    if (!hasFeature(target, each)) check.fail(fmt::format("dots=amx needs {}, which {} lacks; legal: dots=plain", each, target.name));
  if (op.headDim.value % kTileProducts != 0)
    check.fail(fmt::format("dots=amx with head_dim={}, no multiple of {}; legal: dots=plain", op.headDim.value, kTileProducts));
  if (lanes != kTileRows) check.fail(fmt::format("dots=amx with lanes={}; legal: lanes={}", lanes, kTileRows));
  if (rows % kTileRows != 0) check.fail(fmt::format("dots=amx with rows={}; legal: a multiple of {}", rows, kTileRows));
  if (pack != PackKv) check.fail("dots=amx with pack=none, whose tiles are loaded from a copy; legal: pack=kv");
}

ScheduleCost AttentionSchedule::cost(const OpDesc& given, const Target& target) const {
  constexpr double kExp = 18;  // instructions for a vector of scores
  const auto& op = std::get<AttentionOp>(given);
  int64_t group = op.heads.value / op.kvHeads.value;
  auto queries = static_cast<double>(op.q.value * group), keys = static_cast<double>(op.kv.value),
       width = static_cast<double>(op.headDim.value), valueWidth = static_cast<double>(op.valueDim());
  auto heads = static_cast<double>(op.batch.value * op.kvHeads.value), vector = static_cast<double>(lanes),
       together = static_cast<double>(mr);
  double seen = op.causal == Causal::No ? keys : keys - static_cast<double>(op.q.value - 1) / 2;  // by a query, on average
  ScheduleCost cost;
  double scored = kKeyTile * std::ceil(std::max(1.0, seen) / kKeyTile);
  cost.waste = (scored - seen) / scored;
  auto step = [](double loads, double chains) { return std::max({0.5, loads / 2, 4 / chains}); };  // cycles of one fma
  // Scores: a copied tile has a vector of keys for each number of a query; in place a key's own vectors, whose sum is folded.
  double inPlace =
      width * step(1 / together + 1 / static_cast<double>(kr), 2 * together * static_cast<double>(kr)) + vector * std::log2(vector);
  bool rounded = op.a == RoundedTo::BF16;
  double scores = pack == PackKv || rounded ? width * step(1 / together + 0.5, 4 * together) : inPlace;
  double atOnce = static_cast<double>(valuesAtOnce(op, static_cast<int>(mr), target));
  double values = valueWidth * step(1 / together + 1 / atOnce, together * atOnce);
  if (6 * mr > target.isa().vectorRegisters && !rounded) scores *= 1.5;  // two chains for each of its scores: they spill
  // One instruction for two products; without it numbers are taken out of their words first.
  // A dot of tiles makes 8,192 products in 16 cycles, two fma in them 512.
  constexpr double kPlain = 1.25, kPairs = 0.5, kTiles = 1.0 / 16;
  double ofFma = dots == DotsAmx ? kTiles : dots == DotsBf16 ? kPairs : kPlain;
  if (rounded) scores *= ofFma, values *= ofFma;
  // A vector of a block is widened, made float and scaled: for each mr rows that meet it, or once as it is copied.
  double unpacked = isQuantised(op.kvType) ? 2 : 0;
  if (pack != PackKv) scores += width * unpacked / together, values += valueWidth * unpacked / together;
  constexpr double kMask = 3;  // instructions
  double more = (op.softcap != 0 ? kExp : 0) + (op.mask.empty() ? 0 : kMask);
  cost.slots = heads * queries * scored / vector * (scores + values + (kExp + more) / 2);
  double passes = std::ceil(queries / static_cast<double>(rows));  // over the keys and values of a head
  double bytes = keys * static_cast<double>(bytesOf(op.kvType, op.headDim.value) + bytesOf(op.kvType, op.valueDim()));
  cost.bytes[levelFor(bytes, target)] = heads * passes * bytes;
  if (pack == PackKv && !rounded) {
    cost.slots += heads * passes * keys * (width + valueWidth) / vector * (1.5 + unpacked);  // turned once
    cost.bytes[0] += heads * passes * bytes;
  }
  if (rounded) cost.slots += heads * passes * (pack == PackKv ? 1 : 1.5) * keys * width / vector * 2;  // keys are turned, values paired
  double segments = split != 0 ? std::ceil(keys / static_cast<double>(kKeySegment)) : 1;
  cost.cycles = overlapped(cost) + kTaskCycles * heads * passes * segments;
  return cost;
}

SizeDims AttentionSchedule::sizeDims(const OpDesc& op) {
  const auto& attention = std::get<AttentionOp>(op);
  return {attention.q.any() ? "q" : "", attention.kv.any() ? "kv" : ""};
}

std::vector<std::pair<SizeBound, AttentionSchedule>> AttentionSchedule::sizeClasses(const OpDesc& op, const Target& target) const {
  const auto& attention = std::get<AttentionOp>(op);
  AttentionSchedule few = fewRows();
  int64_t group = attention.heads.value / attention.kvHeads.value;
  if (!attention.q.any() || !few.validate(op, target)) return {};
  int64_t most = std::max<int64_t>(1, kFewRows / group);
  // One token at a time: as many rows as heads share keys.
  AttentionSchedule one = forSoManyRows(attention, group);
  if (most == 1) return {{{1, 0}, one}};
  if (one == few || !one.validate(op, target)) return {{{most, 0}, few}};
  return {{{1, 0}, one}, {{most, 0}, few}};
}

}  // namespace quern
