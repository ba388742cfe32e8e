// compiler/schedule/MatmulSchedule.h — how a matmul runs: register tile, cache blocks, packing.
#pragma once

#include "compiler/op/MatmulOp.h"
#include "compiler/schedule/ScheduleFamily.h"

namespace quern {

/// The order in which a model's products of bf16 are added up where nobody says: a rule over what the CPU has, never a timing. amx-bf16
/// tile32, else avx512bf16 pairs, else tile32.
PairOrder pairOrderFor(const Target& target);

/// Does rounding A make this product quicker there? A rule over what the CPU has: a=bf16 where there are instructions for it, a=q8 where
/// scales join a sum in one fma (without one a product with bytes takes up to three times as long as with a=f32).
bool roundingServes(const MatmulOp& op, const Target& target);

/// The product that tasks are made of: all of a batch that shares one B (MatmulOp::asOneProduct), or each of it.
MatmulOp productOf(const OpDesc& op);

/// A task computes mc x nc outputs: for each k block of kc, for each group of nr columns, for each tile of mr rows (inner=rows: for each
/// tile of rows, for each group of columns, so that kc x nc of B stay near while rows of A go by once), the micro-kernel keeps mr x nr
/// accumulators in registers, loads nr / lanes vectors of B and broadcasts mr elements of A per k. The last rows and columns have tiles
/// of their own.
///
///            nr                      registers: mr * nr/lanes accumulators + nr/lanes of B + 1 broadcast of A
///        +--------+                             (+ 1 for the product where there is no fma)
///     mr |  acc   |   k ascending, unroll_k steps at a time
///        +--------+
///
/// Packed B lies in panels of `panel` columns. A tile may span several panels (narrow m: more chains than one panel has) or
/// a part of one, so that all size classes of a weight read the same copy of it. A weight of another type than f32 becomes f32 in
/// registers wherever it is used (few rows: memory is read once, and nothing else), or once for all tiles of a task that share it; so does
/// one in blocks become bf16 with a=bf16 (registers: one tile of rows), where matrix tiles load it from that scratch. With
/// a=i8 all of k is one pass, and a step of unroll_k four k.
struct MatmulSchedule : ScheduleFamily<MatmulSchedule> {
  static constexpr OpClass kClass = OpClass::Contraction;
  static constexpr std::string_view kName = "matmul";
  /// Bits of `pack`.
  enum Pack : int64_t { PackNone, PackB, PackA, PackAB };
  enum Walk : int64_t { WalkRows, WalkColumns, WalkHalves };
  enum Inner : int64_t { InnerColumns, InnerRows };
  enum PrefetchC : int64_t { PrefetchNoC, PrefetchTile, PrefetchBelow };
  enum Convert : int64_t { ConvertRegisters, ConvertScratch };
  enum Dots : int64_t { DotsPlain, DotsVnni, DotsBf16, DotsAmx };

  int64_t mr = 1, nr = 4, mc = 64, kc = 512, nc = 256;
  int64_t lanes = 4, unrollK = 1;
  int64_t pack = PackNone, panel = 0;
  int64_t walk = WalkRows;
  int64_t inner = InnerColumns;
  int64_t prefetch = 0, prefetchPanel = 0, prefetchC = PrefetchNoC;
  int64_t tail = 0;
  int64_t convert = ConvertRegisters;
  int64_t dots = DotsPlain;
  int64_t order = 0;

  bool packsA() const { return (pack & PackA) != 0; }
  bool packsB() const { return (pack & PackB) != 0; }
  static constexpr int64_t kLineElements = 16;  ///< f32 of 64 bytes
  /// Rows of the register tile come in multiples of it.
  int64_t rowsTogether() const { return dots == DotsAmx ? kTileRows : 1; }
  static constexpr int64_t kMostTiles = 8;
  /// Matrix tiles of dots=amx: of sums, of A and of B.
  int64_t tiles() const { return mr / kTileRows * (nr / kTileRows) + mr / kTileRows + nr / kTileRows; }
  /// Of prefetch_panel: elements of the next panel for each step of k, and how many tiles of rows fetch until all of it is on its way.
  int64_t aheadEachStep() const { return kLineElements * prefetchPanel / unrollK; }
  int64_t aheadTiles() const { return (nr + aheadEachStep() - 1) / aheadEachStep(); }
  /// Columns that a task has a multiple of: those of the tile, and whole blocks of what C is handed on as.
  int64_t columnStep(const MatmulOp& op) const;
  int64_t panelWidth() const { return panel == 0 ? nr : panel; }
  /// How many chains of fma each output is the sum of: 1 for order=seq, P for split:P.
  int64_t chains() const { return int64_t{1} << order; }

  static const std::vector<ScheduleField<MatmulSchedule>>& fields();
  static MatmulSchedule byDefault(const OpDesc& op, const Target& target);
  Result<void> validate(const OpDesc& op, const Target& target) const;
  ScheduleCost cost(const OpDesc& op, const Target& target) const;
  /// Blocks that the user did not give are rounded up to the tile they must be a multiple of.
  void complete(const std::vector<std::string>& given);
  void fitTo(const OpDesc& op);
  bool mayBecomeLegal(std::string_view key, const Target& target) const;
  /// The tile and what is packed.
  std::string kind() const;
  /// False with fewer than eight tasks that are also fewer than `base` has: one thread may like large blocks, two would wait.
  bool enoughTasks(const MatmulSchedule& base, const OpDesc& op) const;
  std::vector<std::string> needs(const OpDesc& op) const;

  static SizeDims sizeDims(const OpDesc& op);
  /// The same packed copy, the same numeric order.
  bool sharesWeight(const MatmulSchedule& other) const;
  /// The instruction for products that vectors of so many lanes have.
  static int64_t vectorDots(const MatmulOp& op, const Target& target, int64_t lanes);
  /// Its panel spelled out, the least blocks, no matrix tiles: the same bits.
  MatmulSchedule forFewRows(const OpDesc& op, const Target& target) const;
  std::vector<std::pair<SizeBound, MatmulSchedule>> sizeClasses(const OpDesc& op, const Target& target) const;
  /// Cycles of one step of k in a tile of rows x vectors, roughly: what binds of fma slots, loads and latency.
  static double stepCycles(int64_t rows, int64_t vectors, const IsaLevel& isa);
  /// Steps ahead that the op's weight is best prefetched where few rows use it.
  static int64_t prefetchFor(const MatmulOp& op, const Target& target);
  void checkDots(class ScheduleCheck& check, const MatmulOp& op) const;
  void checkTiles(class ScheduleCheck& check, const MatmulOp& op, const Target& target) const;
  /// Vector registers of one tile.
  int64_t registers(const MatmulOp& op, const Target& target) const;
  bool operator==(const MatmulSchedule&) const = default;
};

}  // namespace quern
