// compiler/schedule/MatmulSpace.cpp — MatmulSchedule: what it costs, which ones are worth trying, and those for few rows.
#include "compiler/base/Checked.h"
#include "compiler/schedule/MatmulSchedule.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace quern {

MatmulOp productOf(const OpDesc& op) {
  const auto& matmul = std::get<MatmulOp>(op);
  return matmul.asOneProduct().value_or(matmul);
}

/// Cycles to read a vector of what lies in so many bytes.
static double cyclesPerVector(double bytes, const Target& target) {
  constexpr double kCycles[] = {0.5, 1.2, 4, 12};
  return kCycles[levelFor(bytes, target)];
}

/// To make bf16 of a vector: about sixteen instructions for two of k.
constexpr double kPieceCycles = 4;

/// For each k of a tile of coded rows: of 32 of k the dots of eight words, then the scales; words are read and taken apart once.
static double codedCycles(const MatmulSchedule& s, const MatmulOp& op, double rows, double vectors) {
  double dot = s.dots == MatmulSchedule::DotsVnni ? 1 : 4, apart = op.w == ElementType::Q8_0                           ? 8
                                                                   : isQuantised(op.w) && blockFormatOf(op.w).high > 0 ? 40
                                                                                                                       : 24;
  return vectors * (rows * (8 * dot + 3) + apart) / 2 / 32;
}

/// For each k of a tile of rows of whole codes: of four of k as many fma as of one in f32, or four instructions for a dot.
static double wholeCycles(const MatmulSchedule& s, double rows, double vectors, double asOfFloats) {
  constexpr double kPerDot = 4, kApart = 3, kPerCycle = 2;
  if (s.dots == MatmulSchedule::DotsVnni) return asOfFloats / 4;
  return (rows * (kPerDot * vectors + 1) + kApart * vectors) / kPerCycle / 4;
}

/// For each k of a register tile of matrix tiles: a dot takes 16 cycles and 32 of k (64 bytes) of a term, a load of 16 lines `each` for
/// one; what is left of k over those counts as much.
static double tileCycles(const MatmulOp& op, double rows, double vectors, double each) {
  double tall = std::ceil(rows / static_cast<double>(kTileRows)), k = static_cast<double>(std::max<int64_t>(1, op.k.value));
  int64_t depth = op.a == RoundedTo::I8 ? 64 : 32;
  double terms = static_cast<double>(std::max<size_t>(1, op.terms().size()));
  double steps = terms * static_cast<double>(ceilDiv(op.k.value, depth)) / k;
  return std::max(16 * tall * vectors, 16 * each * (tall + vectors)) * steps;
}

ScheduleCost MatmulSchedule::cost(const OpDesc& given, const Target& target) const {
  const MatmulOp op = productOf(given);
  auto d = [](int64_t value) { return static_cast<double>(std::max<int64_t>(1, value)); };
  double m = static_cast<double>(op.m.value), k = static_cast<double>(op.k.value), batches = static_cast<double>(op.batches());
  double tileRows = d(std::min(mr, op.m.value)), n = d(roundUp(std::max<int64_t>(1, op.n.value), lanes));
  double depth = std::min(d(kc), d(op.k.value));
  double bytesEach = op.inPairs() && !op.makesPieces() ? 2 * static_cast<double>(op.piecesOfB())
                     : packsB() ? static_cast<double>(packedBytesOf(op.w, formatOf(op.w).block)) / static_cast<double>(formatOf(op.w).block)
                                : 4;
  double panelBytes = bytesEach * depth * d(nr), each = cyclesPerVector(panelBytes + 4 * depth * tileRows, target);
  double fullM = std::floor(m / tileRows), leftM = m - fullM * tileRows;
  // Of a column of tiles, so many vectors wide: cycles, for each k.
  auto column = [&](double vectors) {
    double loadVectors = vectors * std::max(1.0, 2 * each);
    // Per k and tile: fma slots, load slots (a broadcast is a load), and the latency of a chain (4 cycles).
    double perStep = std::max({tileRows * vectors / 2, (loadVectors + tileRows) / 2, 4.0}) + 0.15 / d(unrollK);
    if (op.inPairs()) perStep *= static_cast<double>(op.terms().size()) / (dots == DotsBf16 ? 2 : 1);
    if (op.makesPieces() && convert == ConvertRegisters) perStep += kPieceCycles * vectors;
    if (op.a == RoundedTo::Q8) perStep = codedCycles(*this, op, tileRows, vectors);
    if (op.a == RoundedTo::I8) perStep = wholeCycles(*this, tileRows, vectors, perStep);
    if (dots == DotsAmx) return fullM * tileCycles(op, tileRows, vectors, each) + (leftM > 0 ? tileCycles(op, leftM, vectors, each) : 0);
    return (fullM + (leftM > 0 ? std::max(leftM / tileRows, 8 / (tileRows * vectors)) : 0)) * perStep * (target.isa().fma ? 1 : 2);
  };
  // The last column has no more vectors than it needs. A tile that is wider than all columns has a twin that is not.
  double fullN = std::max(1.0, std::floor(n / d(nr))), leftVectors = std::max(0.0, n - fullN * d(nr)) / d(lanes);
  double rowsRun = fullM * tileRows + (leftM > 0 ? std::max(leftM, 8 / d(nr / lanes)) : 0),
         tiles = std::ceil(n / d(nr)) * rowsRun / tileRows;
  ScheduleCost cost;
  cost.slots = (fullN * column(d(nr / lanes)) + (leftVectors > 0 ? column(leftVectors) : 0)) * k * batches;
  cost.waste = tiles > 0 ? std::max(0.0, 1 - m * static_cast<double>(op.n.value) / (rowsRun * n)) : 0;
  double passes = std::max(1.0, std::ceil(k / depth)), c = (2 * passes - 1) * m * n;
  double cycles = cost.slots / batches + c / d(lanes) * 1.5;
  // What a task comes back to: rows of A for each group of columns, or columns of B for each tile of rows.
  if (levelFor((inner == InnerRows ? bytesEach * d(nc) : 4 * d(mc)) * depth, target) > 1) cycles *= 1.15;
  if (packsA()) cycles += 5 * m * k * std::ceil(n / d(nc)) / d(lanes);
  if (prefetchPanel > 0) cycles += std::ceil(m / d(mc)) * n * k / static_cast<double>(kLineElements) / 2;
  if (packsB() && !op.constB) cycles += n * k / d(op.tb ? 1 : lanes) * 2;
  if (op.makesPieces() && convert == ConvertScratch) cycles += std::ceil(m / d(mc)) * n * k / d(lanes) * kPieceCycles;
  // Unpacked rows of B lie a page or more apart: translation misses grow with the depth of a pass.
  if (!packsB() && n * 4 >= 4096) cycles *= 1.1 + depth / 4096;
  double rowBlocks = std::ceil(m / d(mc)), tasks = rowBlocks * std::ceil(n / d(nc));
  cost.cycles = (cycles + kTaskCycles * tasks) * batches;
  double b = bytesEach * n * k, a = 4 * m * k;
  cost.bytes[levelFor(panelBytes + 4 * depth * tileRows, target)] += batches * tiles * (panelBytes / depth + 4 * tileRows) * k;
  cost.bytes[levelFor(b, target)] += batches * b * rowBlocks;
  cost.bytes[levelFor(a + 4 * m * n, target)] += batches * (a * std::ceil(n / d(nc)) + 4 * c);
  return cost;
}

bool MatmulSchedule::mayBecomeLegal(std::string_view key, const Target& target) const {
  if (lanes < 1 || nr < 1 || mr < 1) return false;
  if (key == "lanes") return lanes == target.vectorLanes();
  if (key == "nr") return nr % lanes == 0;
  int registers = target.isa().vectorRegisters;
  if (key == "mr" && dots == DotsAmx) return mr % kTileRows == 0 && tiles() <= kMostTiles;
  if (key == "mr") return mr <= registers && mr * (nr / lanes) + nr / lanes + 1 <= registers;
  return true;
}

static int64_t tasksOf(const MatmulSchedule& s, const MatmulOp& op) {
  return op.batches() * ceilDiv(op.m.value, s.mc) * ceilDiv(op.n.value, s.nc);
}

bool MatmulSchedule::enoughTasks(const MatmulSchedule& base, const OpDesc& op) const {
  constexpr int64_t kEnough = 8;
  const MatmulOp matmul = productOf(op);
  return tasksOf(*this, matmul) >= std::min(kEnough, tasksOf(base, matmul));
}

std::string MatmulSchedule::kind() const { return fmt::format("{} {} {} {}", mr, nr, lanes, pack); }

void MatmulSchedule::fitTo(const OpDesc& op) {
  if (std::min({lanes, mr, nr, mc, nc, kc}) < 1) return;  // validate says why not
  const MatmulOp matmul = productOf(op);
  mr = std::min(mr, roundUp(std::max<int64_t>(1, matmul.m.value), rowsTogether()));
  nr = std::min(nr, roundUp(std::max<int64_t>(1, matmul.n.value), lanes));
  kc = matmul.a == RoundedTo::I8 ? std::max<int64_t>(1, matmul.k.value) : std::min(kc, std::max<int64_t>(1, matmul.k.value));
  mc = roundUp(std::min(mc, std::max<int64_t>(1, matmul.m.value)), mr);
  nc = roundUp(std::min(nc, std::max<int64_t>(1, matmul.n.value)), columnStep(matmul));
  if (matmul.constB || matmul.tb) pack |= PackB;
}

/// The one dimension known only at call time that the rows of a weight's product grow with, and how many rows each of it is.
struct OpenRows {
  std::string dim;
  int64_t each = 1;
};
static OpenRows openRows(const MatmulOp& op) {
  if (!op.constB || op.ta) return {};
  std::vector<TensorDim> dims = {{"m", op.m.value}};
  if (op.asOneProduct())
    for (const TensorDim& axis : op.axesOf(op.batch)) dims.push_back(axis);
  OpenRows rows;
  for (const TensorDim& dim : dims) {
    if (dim.any() && !rows.dim.empty()) return {};
    if (dim.any()) rows.dim = dim.name;
    else rows.each *= dim.value;
  }
  return rows;
}

SizeDims MatmulSchedule::sizeDims(const OpDesc& op) { return {openRows(std::get<MatmulOp>(op)).dim, ""}; }

bool MatmulSchedule::sharesWeight(const MatmulSchedule& other) const { return panelWidth() == other.panelWidth() && order == other.order; }

MatmulSchedule MatmulSchedule::forFewRows(const OpDesc& op, const Target& target) const {
  MatmulSchedule few = *this;
  few.panel = few.panelWidth();
  few.nc = 1;  // a task for each group of columns
  few.convert = ConvertRegisters;
  if (few.dots == DotsAmx) few.dots = vectorDots(std::get<MatmulOp>(op), target, lanes);
  few.prefetchPanel = 0;
  return few;
}

struct NarrowTile {
  int64_t rows, columns;
};

/// Products of a word of bf16 in one instruction: a panel of a few vectors is chains enough, and memory gives one stream a tenth more than
/// four side by side (Zen 4; from L2 and L3 the same).
static bool streamsPairs(const MatmulSchedule& s, const MatmulOp& op) {
  return s.dots == MatmulSchedule::DotsBf16 && op.a == RoundedTo::BF16 && op.w == ElementType::BF16;
}

/// Tiles for few rows, the best first. A few rows of one panel are too few chains to hide the latency of an fma: several panels at a time.
/// A weight that is made f32 on the way, or has blocks, takes one panel too, or a part of it: the wide kernel's way over scratch is never
/// better. Dots of bytes with scales for each block take one vector of one panel: chains are short, and one stream is read at the rate of
/// memory where four at a time, in steps of a block each, take twice as long (Zen 4).
static std::vector<NarrowTile> narrowTiles(const MatmulSchedule& wide, const MatmulOp& op) {
  int64_t panel = wide.panelWidth();
  std::vector<NarrowTile> tiles;
  if (op.a == RoundedTo::Q8) return {{2, wide.lanes}, {1, wide.lanes}};
  if (streamsPairs(wide, op)) return {{2, panel}, {1, panel}};
  if ((op.w == ElementType::F32 && op.a == RoundedTo::F32) || op.a == RoundedTo::I8) {
    for (int64_t rows : {2, 1})
      for (int64_t panels = 4; panels > 1; --panels) tiles.push_back({rows, panels * panel});
    return tiles;
  }
  for (int64_t panels = 4; panels > 1; --panels)
    for (int64_t rows : {2, 1}) tiles.push_back({rows, panels * panel});
  for (int64_t vectors = panel / wide.lanes; vectors >= 1; --vectors)
    for (int64_t rows : {2, 1})
      if (panel % (vectors * wide.lanes) == 0) tiles.push_back({rows, vectors * wide.lanes});
  return tiles;
}

std::vector<std::pair<SizeBound, MatmulSchedule>> MatmulSchedule::sizeClasses(const OpDesc& op, const Target& target) const {
  if (chains() > 1) return {};
  const auto& matmul = std::get<MatmulOp>(op);
  int64_t each = std::max<int64_t>(1, openRows(matmul).each);
  for (const NarrowTile& tile : narrowTiles(*this, matmul)) {
    MatmulSchedule narrow = forFewRows(op, target);
    narrow.mr = tile.rows;
    narrow.mc = 32 * tile.rows;
    narrow.nr = narrow.nc = tile.columns;
    constexpr int64_t kPanels = 4;  // one behind the other
    if (matmul.a == RoundedTo::Q8 || streamsPairs(*this, matmul)) narrow.nc = kPanels * panelWidth();
    narrow.nc = roundUp(narrow.nc, narrow.columnStep(matmul));
    narrow.unrollK = matmul.w == ElementType::F32 || matmul.a != RoundedTo::F32 ? 1 : 4;
    narrow.convert = ConvertRegisters;
    narrow.prefetch = prefetchFor(matmul, target);
    if (tile.rows >= each && narrow.validate(op, target)) return {{{tile.rows / each, 0}, narrow}};
  }
  return {};
}

}  // namespace quern
