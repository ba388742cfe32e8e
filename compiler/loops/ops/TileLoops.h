// compiler/loops/ops/TileLoops.h — products with a=bf16 order=tile32 on matrix units (dots=amx).
#pragma once

#include "compiler/loops/ops/PairLoops.h"

namespace quern {

/// A register tile of R x V matrix tiles of 16 x 16 sums, R = mr / 16, V = nr / 16; R tiles of A and V of packed B at a time, 16 pairs
/// deep:
///
///        B 0   B 1       16 pairs x 16 columns: 16 neighbouring words of 16 pairs of the panel
///   A 0  sum   sum       16 rows x 16 pairs
///   A 1  sum   sum       for 32 k: R + V loads, R V dots
///
/// Rows of A beyond the last are read in scratch and come to nothing: their sums are not stored. Beyond k nothing is read: what is left of
/// k over 32s is a pass of its own, with tiles of fewer pairs. Of a weight in blocks B is what they became in scratch.
class TileProduct final : public RoundedProduct {
public:
  TileProduct(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& schedule, const Value& batch,
              const Value& panels);

  void declareRows(const Value& rows) override;
  void phase(const BufferRef& a, const PlaceInA& at) override { rows_->phase(a, at); }
  /// Tiles are loaded from rows that lie apart, and some behind the last.
  void given(const Value& rows, const BufferRef& a, const PlaceInA& at) override { declareRows(rows), phase(a, at); }
  void convert(const Group& group) override { weight_.convert({group.batch, group.vectors, group.k0}, group.k1); }
  int64_t rowsTogether() const override { return kRows; }
  int64_t lastPass() const override { return k_ / kDepth * kDepth; }
  void inPass(const Value& k0, const std::function<void()>& body) override;
  const BufferRef* sums() const override { return &sums_; }
  void run(const Tile& tile) override;

private:
  static constexpr int64_t kRows = MatmulSchedule::kTileRows, kDepth = 2 * TileShape::kMostWords;

  // Tiles by number: sums row by row, then A's, then B's.
  int sum(int64_t r, size_t v) const { return static_cast<int>(r * vectors_ + static_cast<int64_t>(v)); }
  int ofA(int64_t r) const { return static_cast<int>(tall_ * vectors_ + r); }
  int ofB(size_t v) const { return static_cast<int>(tall_ * vectors_ + tall_ + static_cast<int64_t>(v)); }
  void eachSum(const Tile& tile, const std::function<void(int64_t r, size_t v)>& body) const;
  void begin(const Tile& tile);
  void step(const Tile& tile, const Value& pair);

  OpBuild& build_;
  LoopBuilder& b_;
  int64_t k_, tall_, vectors_;  ///< tiles of a register tile
  PairWeight weight_;
  BufferRef sums_;
  std::optional<PairRows> rows_;
};

}  // namespace quern
