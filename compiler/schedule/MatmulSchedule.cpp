// compiler/schedule/MatmulSchedule.cpp — see MatmulSchedule.h.
#include "compiler/schedule/MatmulSchedule.h"

#include "compiler/base/Checked.h"
#include "compiler/base/Text.h"
#include "compiler/schedule/ScheduleCheck.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

namespace quern {

const std::vector<ScheduleField<MatmulSchedule>>& MatmulSchedule::fields() {
  static const std::vector<ScheduleField<MatmulSchedule>> all = {
      {"mr", &MatmulSchedule::mr, "rows of the register tile", {}},
      {"nr", &MatmulSchedule::nr, "columns of the register tile and of a packed panel of B; a multiple of lanes", {}},
      {"mc", &MatmulSchedule::mc, "rows of one task; a multiple of mr", {}},
      {"kc", &MatmulSchedule::kc, "depth of one pass; the accumulators go through C between passes", {}},
      {"nc", &MatmulSchedule::nc, "columns of one task; a multiple of nr", {}},
      {"lanes", &MatmulSchedule::lanes, "f32 elements of one vector", {}},
      {"unroll_k", &MatmulSchedule::unrollK, "steps of k written out in the innermost loop", {}},
      {"pack",
       &MatmulSchedule::pack,
       "b: B in panels, a weight once, another operand in a phase of its own; a: each task copies its rows of A",
       {"none", "b", "a", "ab"}},
      {"panel", &MatmulSchedule::panel, "columns of a packed panel of B: a multiple or a divisor of nr, a multiple of lanes; 0: nr", {}},
      {"walk",
       &MatmulSchedule::walk,
       "neighbouring tasks are along a row of blocks (A stays), along a column (B stays), or along columns of the upper, then the lower "
       "half",
       {"rows", "columns", "halves"}},
      {"inner",
       &MatmulSchedule::inner,
       "within a task: group of columns by group, all rows each (a panel of B and mc x kc of A stay), or tile of rows by tile, all columns "
       "each (nc x kc of B stay)",
       {"columns", "rows"}},
      {"prefetch", &MatmulSchedule::prefetch, "steps of k that packed B is prefetched ahead; 0: not", {}},
      {"prefetch_panel",
       &MatmulSchedule::prefetchPanel,
       "lines of the next group's panel that each unroll_k steps fetch into L2, until all of it is on its way; 0: not",
       {}},
      {"prefetch_c",
       &MatmulSchedule::prefetchC,
       "outputs fetched before the k loop: its own tile's, or those below it",
       {"none", "tile", "below"}},
      {"tail", &MatmulSchedule::tail, "how the last columns are kept in bounds", {"mask"}},
      {"convert",
       &MatmulSchedule::convert,
       "a weight that is not f32 becomes f32 (with a=bf16: bf16) in registers at each use, or once for a task's rows, in scratch",
       {"registers", "scratch"}},
      {"dots",
       &MatmulSchedule::dots,
       "vnni: with a=q8 and a=i8 one instruction for four products of bytes; bf16: with order=pairs one for two of bf16; amx: one for "
       "16 x 16 sums, with order=tile32 of 32 of bf16, with a=i8 of 64 of bytes; plain: what the level has",
       {"plain", "vnni", "bf16", "amx"}},
      {"order",
       &MatmulSchedule::order,
       "numeric: seq is one chain of fma per output over ascending k; split:P is P chains over P ranges of k, folded in halves",
       {"seq", "split:2", "split:4", "split:8"}},
  };
  return all;
}

/// The feature that dots=vnni needs in vectors of so many lanes.
static std::string vnniFor(int64_t lanes) { return lanes == 16 ? "avx512vnni" : "avxvnni"; }

/// What dots=amx needs; nothing: matrix tiles have no dot for the op's products.
static std::span<const std::string_view> tileFeatures(const MatmulOp& op) {
  if (op.a == RoundedTo::I8) return kTilesOfBytes;
  return op.inPairs() && op.order == PairOrder::Tile32 ? std::span<const std::string_view>(kTilesOfPairs)
                                                       : std::span<const std::string_view>();
}

int64_t MatmulSchedule::vectorDots(const MatmulOp& op, const Target& target, int64_t lanes) {
  if (op.inPairs() && op.order == PairOrder::Pairs && hasFeature(target, kPairsFeature)) return DotsBf16;
  return op.dotsOfBytes() && hasFeature(target, vnniFor(lanes)) ? DotsVnni : DotsPlain;
}

PairOrder pairOrderFor(const Target& target) {
  return hasFeature(target, kPairsFeature) && !hasFeature(target, kTilesOfPairs[0]) ? PairOrder::Pairs : PairOrder::Tile32;
}

bool roundingServes(const MatmulOp& op, const Target& target) {
  if (op.a == RoundedTo::BF16) return hasFeature(target, kPairsFeature) || hasAll(target, kTilesOfPairs);
  return op.a == RoundedTo::Q8 && target.isa().fma;
}

std::vector<std::string> MatmulSchedule::needs(const OpDesc& given) const {
  const auto& op = std::get<MatmulOp>(given);
  if (op.dotsOfBytes() && dots == DotsVnni) return {vnniFor(lanes)};
  if (op.inPairs() && dots == DotsBf16) return {std::string(kPairsFeature)};
  if (dots == DotsAmx) return {tileFeatures(op).begin(), tileFeatures(op).end()};
  return {};
}

int64_t MatmulSchedule::columnStep(const MatmulOp& op) const { return std::lcm(nr, formatOf(op.out).block); }

static bool mustPack(const MatmulOp& op) { return op.constB || op.tb; }

double MatmulSchedule::stepCycles(int64_t rows, int64_t vectors, const IsaLevel& isa) {
  constexpr double kFmaPerCycle = 2, kLatency = 4;  // of one chain; B comes from L2 at about one vector a cycle
  double fmas = static_cast<double>(rows * vectors) / kFmaPerCycle * (isa.fma ? 1 : 2);
  double loads = static_cast<double>(vectors) + static_cast<double>(rows) / 2;
  constexpr double kLoadShare = 0.2;  // what a load costs where other things bind
  return std::max({fmas, loads, kLatency}) + kLoadShare * loads;
}

namespace {

struct TileSize {
  int64_t rows, vectors;
};

/// The tile with the least time for m x n outputs.
TileSize bestTile(int64_t m, int64_t n, int64_t lanes, const IsaLevel& isa) {
  // Taller tiles than these were seen to fall behind (their broadcasts bind), and fuller ones to spill, although they fit.
  const int64_t maxRows = isa.vectorRegisters == 32 ? 8 : isa.fma ? 6 : 4;
  TileSize best{1, 1};
  double bestCost = 0;
  int64_t columns = ceilDiv(std::max<int64_t>(n, 1), lanes);
  for (int64_t rows = 1; rows <= std::min(maxRows, std::max<int64_t>(1, m)); ++rows)
    for (int64_t vectors = 1; vectors <= std::min<int64_t>(12, columns); ++vectors) {
      if (rows * vectors + vectors + 1 + (isa.fma ? 0 : 1) > isa.vectorRegisters) continue;
      auto band = [&](int64_t r) {  // r rows, all columns
        if (r == 0) return 0.0;
        double full = static_cast<double>(columns / vectors) * MatmulSchedule::stepCycles(r, vectors, isa);
        return full + (columns % vectors != 0 ? MatmulSchedule::stepCycles(r, columns % vectors, isa) : 0);
      };
      double cost = static_cast<double>(m / rows) * band(rows) + band(m % rows);
      if (bestCost != 0 && cost >= bestCost) continue;
      best = {rows, vectors};
      bestCost = cost;
    }
  return best;
}

/// The tile for what A is rounded to; `n` a guess where it is known only at call time.
TileSize tileFor(const MatmulOp& op, const Target& target, int64_t m, int64_t n) {
  const IsaLevel& isa = target.isa();
  bool many = isa.vectorRegisters == 32;
  int64_t lanes = target.vectorLanes();
  auto rows = [&](int64_t most) { return std::min(most, std::max<int64_t>(1, m)); };
  // Chains are short and many: what binds is how often the words of a block are read and taken apart.
  if (op.a == RoundedTo::Q8) return {rows(many ? 16 : target.isa().shortDots && !hasFeature(target, vnniFor(lanes)) ? 6 : 4), 1};
  if (op.inPairs() && op.order == PairOrder::Tile32) return {rows(many ? 4 : 2), many ? 2 : 1};
  // A dot is some instructions then, and what they leave lies beside the sums.
  if (op.a == RoundedTo::I8 && !hasFeature(target, vnniFor(lanes)))
    return {rows(many ? 8 : 4), std::min<int64_t>(lanes == 4 ? 1 : 2, ceilDiv(std::max<int64_t>(n, 1), lanes))};
  return bestTile(m, n, lanes, isa);
}

/// From 16 rows on a tile is full: a dot takes its 16 cycles however many of its rows are there, the plain kernel about as many for each
/// row, vnni eight (so of m=* all calls but those of the size class for few rows are in tiles too).
bool takesTiles(const MatmulOp& op, int64_t m, const Target& target) {
  std::span<const std::string_view> needed = tileFeatures(op);
  return !needed.empty() && hasAll(target, needed) && target.vectorLanes() == kTileRows && m >= kTileRows;
}
/// Two by two tiles, where there are as many outputs: a dot for each load.
TileSize matrixTile(int64_t m, int64_t n) {
  constexpr int64_t kOne = kTileRows;
  return {m > kOne ? 2 * kOne : kOne, n > kOne ? 2 : 1};
}

}  // namespace

int64_t MatmulSchedule::prefetchFor(const MatmulOp& op, const Target& target) {
  // Sixteen instructions for every 64 bytes leave the machine's own prefetcher behind: three times as slow as with four blocks ahead. f32
  // from behind L2 gains up to a fifth from a few steps (Zen 5), loses nothing from memory, and a twentieth where it is nearer. With bytes
  // a panel is one vector wide and a block short: four times as far takes 0.85 to 0.95 of the time from memory (Zen 4).
  // A block of q4_K's bytes is 36 lines one after the other (q5_K and iq4_xs are like it): the machine's own prefetcher follows that, and a
  // tenth is lost beside it.
  constexpr int64_t kFloats = 4, kBlocks = 128, kCoded = 512;
  if (op.a == RoundedTo::Q8 && formatOf(op.w).block == 256 && blockFormatOf(op.w).each == 32) return 0;
  if (isQuantised(op.w)) return std::max<int64_t>(op.a == RoundedTo::Q8 ? kCoded : kBlocks, formatOf(op.w).block);
  return op.w == ElementType::F32 && 4 * op.n.value * op.k.value > target.l2Bytes ? kFloats : 0;
}

/// How deep a pass of many rows is, nearly: a panel of B of 16 columns stays in an L1 of 32 KiB. Where panels are wider anyway they
/// come from L2, and may be as deep as that keeps while A, which is read once for each, comes by: C comes back less often (Zen 5:
/// 0.94 to 0.99 of the time; the kernels of AVX2 there: 0.985 to 1.006).
static int64_t depthNear(const MatmulOp& op, int64_t nr, const Target& target) {
  constexpr int64_t kDepth = 512;
  int64_t column = 4 * nr;
  bool plain = op.w == ElementType::F32 && op.a == RoundedTo::F32;
  return plain && kDepth * column > target.l1Bytes ? std::max<int64_t>(kDepth, target.l2Bytes / 5 * 2 / column) : kDepth;
}

MatmulSchedule MatmulSchedule::byDefault(const OpDesc& given, const Target& target) {
  const MatmulOp op = productOf(given);
  const IsaLevel& isa = target.isa();
  MatmulSchedule s;
  s.lanes = target.vectorLanes();
  int64_t m = op.m.any() ? 256 : op.m.value, n = op.n.any() ? 256 : op.n.value, k = op.k.any() ? 256 : op.k.value;
  bool matrix = takesTiles(op, m, target);
  TileSize tile = matrix ? matrixTile(m, n) : tileFor(op, target, m, op.n.any() ? int64_t{1} << 20 : n);
  s.mr = tile.rows;
  s.nr = tile.vectors * s.lanes;
  bool narrow = m <= 16;
  // Long steps of a few chains: every load of a step in one place, which the prefetcher of L1 follows best.
  bool longSteps = matrix || op.a == RoundedTo::Q8 || (op.inPairs() && op.order == PairOrder::Tile32) ||
                   (op.a == RoundedTo::I8 && !hasFeature(target, vnniFor(s.lanes)));  // written out they spill
  s.unrollK = s.mr <= 2 || longSteps ? 1 : isa.vectorRegisters == 32 ? 4 : 2;
  // Blocks of even size, near these: the last task is not much smaller than the others.
  auto even = [](int64_t size, int64_t near, int64_t step) {
    size = std::max<int64_t>(1, size);
    return roundUp(ceilDiv(size, ceilDiv(size, near)), step);
  };
  // Matrix tiles: C goes through scratch in each pass, which costs as much as four steps of 32; a panel of 1,024 k is 64 KiB of L2, of
  // pieces as many bytes.
  s.kc = matrix               ? even(k, 1024 / std::max<int64_t>(1, op.piecesOfB()), 32)
         : k <= 768 || narrow ? std::clamp<int64_t>(k, 1, 4096)
                              : std::min(k, even(k, depthNear(op, s.nr, target), 8));
  // Blocks are rounded once for all rows of a task: as many bytes of A as of f32, on matrix units so many that they still bind.
  s.mc = even(m, matrix && op.makesPieces() ? 512 : op.roundsWeight() ? 256 : 128, s.mr);
  // The rows of A that a pass of 512 reads stay in L2 while the panels of nc columns go by; eight tasks where there is work.
  int64_t columnBlocks = ceilDiv(8, ceilDiv(std::max<int64_t>(1, m), s.mc));
  s.nc = narrow ? s.nr : even(n, std::clamp(ceilDiv(std::max<int64_t>(n, 1), columnBlocks), s.nr, std::max(s.nr, int64_t{384})), s.nr);
  // Along a column B stays near and the rows of A come again for each. Where A is far too, threads share it best by halves: each
  // goes down the same columns of B with rows of its own.
  bool near = static_cast<double>(m) * static_cast<double>(k) * 4 <= 2 * static_cast<double>(target.l2Bytes);
  s.walk = m <= s.mc ? WalkRows : near ? WalkColumns : WalkHalves;
  if (s.mr <= 2 && op.constB && op.w == ElementType::F32) s.prefetch = prefetchFor(op, target);
  bool pays = m >= 48 && n >= 96;  // packing moves n * k elements; each is then used m / mr times
  s.pack = mustPack(op) || pays ? PackB : PackNone;
  if (op.w != ElementType::F32 || op.a != RoundedTo::F32) {
    // What is made f32 once must serve many rows; few rows take fewer columns, for scales need registers too.
    bool coded = op.a != RoundedTo::F32 && !op.makesPieces();
    s.dots = matrix ? static_cast<int64_t>(DotsAmx) : vectorDots(op, target, s.lanes);
    // Rounded blocks: more than one tile of rows, which is all that registers serve. Matrix tiles are loaded from scratch only.
    int64_t many = matrix && op.makesPieces() ? 1 : op.roundsWeight() ? s.mr + 1 : 32;
    s.convert = m >= many && !coded ? ConvertScratch : ConvertRegisters;
    // A step is long where pieces are made in it, or their small products added up, and its registers are many.
    if ((op.splitsWeight() && s.convert == ConvertRegisters) || op.smallApart()) s.unrollK = 1;
    while (s.registers(op, target) > isa.vectorRegisters && s.nr > s.lanes) s.nr -= s.lanes;
    while (s.registers(op, target) > isa.vectorRegisters && s.mr > 1) --s.mr;
    s.mc = roundUp(s.mc, s.mr);
    s.nc = narrow ? s.nr : roundUp(s.nc, s.nr);
    s.kc = op.a == RoundedTo::I8 ? std::max<int64_t>(1, k) : roundUp(s.kc, std::max<int64_t>(op.inPairs() ? 32 : 1, formatOf(op.w).block));
    s.prefetch = s.convert == ConvertRegisters && (!coded || narrow) && !matrix ? prefetchFor(op, target) : 0;
  }
  s.nc = roundUp(s.nc, s.columnStep(op));
  return s;
}

void MatmulSchedule::complete(const std::vector<std::string>& given) {
  auto isGiven = [&](std::string_view key) { return std::find(given.begin(), given.end(), key) != given.end(); };
  // Values that no schedule has are for validate to name, not for arithmetic.
  constexpr int64_t kMost = int64_t{1} << 30;
  if (std::max({lanes, mr, nr, mc, nc}) > kMost) return;
  if (!isGiven("nr") && lanes > 0) nr = std::max(lanes, nr / lanes * lanes);
  if (!isGiven("mc") && mr > 0) mc = roundUp(mc, mr);
  if (!isGiven("nc") && nr > 0) nc = roundUp(nc, nr);
}

/// What a quantised weight holds for each vector beside its value: scale, minimum, words of codes; quads of words that are used up in turns
/// too, but for sixteen registers, where scales wait in memory.
static int64_t partsOf(ElementType type, const IsaLevel& isa) {
  if (!isQuantised(type)) return 0;
  const BlockFormat& format = blockFormatOf(type);
  bool inTurns = !format.ownLoops && (format.high > 0 || format.low == 2);
  return type == ElementType::Q8_0 ? 1 : type == ElementType::Q4_0 ? 2 : inTurns && isa.vectorRegisters == 32 ? 5 : 3;
}

/// Of a tile of pairs of bf16.
static int64_t pairRegisters(const MatmulSchedule& s, const MatmulOp& op, const IsaLevel& isa) {
  constexpr int64_t kSplit = 7;  // two vectors of f32 on their way to pieces, and what masks them
  constexpr int64_t kSmall = 4;  // sums of small products: several at once, they are chains of five
  constexpr int64_t kRound = 3;  // what numbers are rounded and words merged with; beside it the tables that bits are looked up in
  int64_t vectors = s.nr / s.lanes, sums = s.mr * vectors;
  bool here = s.convert == MatmulSchedule::ConvertRegisters, pairs = op.order == PairOrder::Pairs;
  int64_t parts = here ? partsOf(op.w, isa) : 0, tables = op.w == ElementType::Q8_0 ? 0 : op.w == ElementType::Q6_K ? 2 : 1;
  int64_t constants = op.roundsWeight() ? kRound + tables : 0;
  if (!pairs || s.dots != MatmulSchedule::DotsBf16)
    return 3 * sums + (1 + parts + (pairs ? op.piecesOfB() : 1)) * vectors + 2 + (here ? constants : 0);
  if (here && op.splitsWeight()) return sums + s.mr + kSplit;
  if (here && op.roundsWeight()) return sums + (parts + 2) * vectors + 1 + constants;
  // Constants made before the tiles of a group stay where they are.
  return sums + op.piecesOfB() * vectors + op.piecesOfA() + (op.smallApart() ? kSmall : 0) + constants;
}

int64_t MatmulSchedule::registers(const MatmulOp& op, const Target& target) const {
  int64_t vectors = nr / lanes;
  constexpr int64_t kQuads = 8, kDot = 3;
  if (dots == DotsAmx) return vectors + 1;  // sums are in tiles
  // Word by word: the sums so far, a quad, what it is taken apart into and a dot's own; the outputs' sums lie in L1 until the block ends.
  bool byWords = op.a == RoundedTo::Q8 && dots == DotsPlain && target.isa().shortDots;
  if (byWords) return mr + kQuads;
  if (op.a == RoundedTo::Q8) return mr * vectors + kQuads + kDot;
  // Without the instruction a weight's bytes have their sizes beside them, and a dot its codes, its products and what it adds up with.
  if (op.a == RoundedTo::I8) return mr * vectors + (dots == DotsVnni ? vectors + 1 : 2 * vectors + kDot + 1);
  if (op.inPairs()) return pairRegisters(*this, op, target.isa());
  constexpr int64_t kTables = 2;
  int64_t parts = convert == ConvertScratch ? 0 : partsOf(op.w, target.isa());
  return chains() * mr * vectors + (1 + parts) * vectors + 1 + (target.isa().fma ? 0 : 1) + (parts > 1 ? kTables : 0);
}

/// Elements of A that a task may copy: 16 MiB.
static constexpr int64_t kMaxCopy = int64_t{1} << 22;

/// Of products of bf16: `a`.
static std::string_view piecesName(const MatmulOp& op) { return op.a == RoundedTo::BF16 ? "bf16" : "f32x3"; }

/// What has no meaning where dots of bytes are all there is.
void MatmulSchedule::checkDots(ScheduleCheck& check, const MatmulOp& op) const {
  constexpr int64_t kTile = 32;
  if (op.inPairs() && !op.k.any() && kc < op.k.value && kc % kTile != 0)
    check.fail(fmt::format("kc={} with a={} is no multiple of {}", kc, piecesName(op), kTile));
  if (op.a == RoundedTo::I8 && kc < op.k.value)
    check.fail(fmt::format("kc={} with a=i8, whose sums are whole numbers to the end of k; legal: kc={} and more", kc, op.k.value));
  if (unrollK != 1 && (op.a == RoundedTo::Q8 || (op.inPairs() && op.order == PairOrder::Tile32)))
    check.fail(fmt::format("unroll_k={} where a step is a block of k; legal: unroll_k=1", unrollK));
  if (convert == ConvertScratch && !op.makesPieces())
    check.fail("convert=scratch where a weight is read as it is packed; legal: convert=registers");
  if (packsA()) check.fail("pack=ab where A is rounded first and lies together already; legal: pack=b");
}

void MatmulSchedule::checkTiles(ScheduleCheck& check, const MatmulOp& op, const Target& target) const {
  if (tileFeatures(op).empty()) check.fail("dots=amx without a=i8 or order=tile32; legal: dots=plain");
  if (op.makesPieces() && convert == ConvertRegisters)
    check.fail("convert=registers with dots=amx, whose tiles are loaded from memory; legal: convert=scratch");
  for (std::string_view each : tileFeatures(op))
    if (!hasFeature(target, each)) check.fail(fmt::format("dots=amx needs {}, which {} lacks; legal: dots=plain", each, target.name));
  if (lanes != kTileRows) check.fail(fmt::format("dots=amx with lanes={}; legal: lanes={}", lanes, kTileRows));
  if (unrollK != 1) check.fail(fmt::format("unroll_k={} with dots=amx, whose step is a tile; legal: unroll_k=1", unrollK));
  if (mr % kTileRows != 0) check.fail(fmt::format("dots=amx with mr={}, no multiple of {}", mr, kTileRows));
  if (tiles() > kMostTiles)
    check.fail(fmt::format("dots=amx with mr={} nr={} needs {} matrix tiles, there are {}", mr, nr, tiles(), kMostTiles));
  if (prefetch > 0) check.fail(fmt::format("prefetch={} with dots=amx, whose loads are of whole tiles; legal: prefetch=0", prefetch));
}

Result<void> MatmulSchedule::validate(const OpDesc& given, const Target& target) const {
  const auto& op = std::get<MatmulOp>(given);
  const IsaLevel& isa = target.isa();
  ScheduleCheck check("matmul", target);
  check.lanes(lanes);
  check.range("mr", mr, 1, 32);
  check.multiple("nr", nr, "lanes", lanes, 1, 16 * lanes);
  check.multiple("mc", mc, "mr", mr, 1, int64_t{1} << 30);
  check.multiple("nc", nc, "nr", nr, 1, int64_t{1} << 30);
  check.range("kc", kc, 1, int64_t{1} << 30);
  check.range("unroll_k", unrollK, 1, 16);
  check.range("prefetch", prefetch, 0, 4096);
  check.range("prefetch_panel", prefetchPanel, 0, 16);
  check.range("panel", panel, 0, 16 * lanes);
  if (!check.good()) return check.finish();  // the rules below compute with these
  if (panel != 0 && (panel % lanes != 0 || (panel % nr != 0 && nr % panel != 0)))
    check.fail(fmt::format("panel={} is no multiple of lanes={} that divides nr={} or is divided by it", panel, lanes, nr));
  if (registers(op, target) > isa.vectorRegisters) {
    int64_t vectors = nr / lanes, others = registers(op, target) - chains() * mr * vectors;
    check.fail(fmt::format("mr={} nr={} needs {} vector registers, {} has {}; with nr={} mr is at most {}", mr, nr, registers(op, target),
                           target.name, isa.vectorRegisters, nr,
                           std::max<int64_t>(0, (isa.vectorRegisters - others) / std::max<int64_t>(1, chains() * vectors))));
  }
  if (mustPack(op) && !packsB())
    check.fail(fmt::format("pack={}, but a weight or a B stored [n,k] is read in panels; legal: pack=b, pack=ab", packsA() ? "a" : "none"));
  if (packsA() && op.ta) check.fail("pack=a, but an A stored [k,m] is read in order as it is; legal: pack=none, pack=b");
  if (packsA() && (kc > kMaxCopy || mc > kMaxCopy / kc))
    check.fail(fmt::format("pack=a with mc={} kc={} copies more than {} elements a task", mc, kc, kMaxCopy));
  if (op.a != RoundedTo::F32) checkDots(check, op);
  if (op.inPairs() && isa.arch != "x86_64")
    check.fail(fmt::format("a={} on {}, which takes small numbers for 0 before it rounds; a=f32 is computed", piecesName(op), isa.name));
  if (nc % formatOf(op.out).block != 0)
    check.fail(fmt::format("nc={} with out={}, whose blocks are {} columns of one task", nc, text(op.out), formatOf(op.out).block));
  if (op.out != ElementType::F32 && mc > kMaxCopy / std::min(nc, kMaxCopy))
    check.fail(fmt::format("mc={} nc={} with out={} keeps more than {} elements a task", mc, nc, text(op.out), kMaxCopy));
  bool pairs = op.inPairs() && op.order == PairOrder::Pairs;
  if (dots == DotsBf16 && (!pairs || !hasFeature(target, kPairsFeature)))
    check.fail(!pairs ? "dots=bf16 without order=pairs; legal: dots=plain"
                      : fmt::format("dots=bf16 needs {}, which {} lacks; legal: dots=plain", kPairsFeature, target.name));
  if (dots == DotsAmx) checkTiles(check, op, target);
  if (dots == DotsVnni && (!op.dotsOfBytes() || !hasFeature(target, vnniFor(lanes))))
    check.fail(!op.dotsOfBytes() ? "dots=vnni without a=q8 or a=i8; legal: dots=plain"
                                 : fmt::format("dots=vnni with lanes={} needs {}, which {} lacks", lanes, vnniFor(lanes), target.name));
  const ElementFormat& format = formatOf(op.w);
  if (op.w == ElementType::F32 && convert == ConvertScratch) check.fail("convert=scratch, but B is f32 already; legal: convert=registers");
  if (convert == ConvertScratch && prefetch > 0)
    check.fail(fmt::format("prefetch={} with convert=scratch, whose values are in the cache already; legal: prefetch=0", prefetch));
  if (prefetchPanel > 0 && (!packsB() || panelWidth() != nr || op.w != ElementType::F32 || op.a != RoundedTo::F32 || chains() > 1))
    check.fail(
        fmt::format("prefetch_panel={} needs packed f32 in panels of nr={} and order=seq; legal: prefetch_panel=0", prefetchPanel, nr));
  if (convert == ConvertScratch && inner == InnerRows)
    check.fail("inner=rows with convert=scratch, which keeps one group of columns; legal: inner=columns");
  if (convert == ConvertScratch && (kc > kMaxCopy || nr > kMaxCopy / kc))
    check.fail(fmt::format("convert=scratch with kc={} nr={} keeps more than {} elements a task", kc, nr, kMaxCopy));
  if (isQuantised(op.w) && kc % format.block != 0)
    check.fail(fmt::format("kc={} is no multiple of {}'s block of {}", kc, format.name, format.block));
  if (op.w == ElementType::F32 && op.a != RoundedTo::F32 && chains() > 1)
    check.fail("order=split where A is multiplied in pieces; legal: order=seq");
  if (op.w != ElementType::F32 && chains() > 1) check.fail(fmt::format("order=split with a weight of {}; legal: order=seq", format.name));
  if (chains() > 1 && !op.k.any() && kc < op.k.value)
    check.fail(fmt::format("order=split needs the whole depth in one pass: kc={} is below k={}", kc, op.k.value));
  return check.finish();
}

}  // namespace quern
