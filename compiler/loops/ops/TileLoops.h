// compiler/loops/ops/TileLoops.h — products with order=tile32 on matrix units (dots=amx).
#pragma once

#include "compiler/loops/ops/PairLoops.h"
#include "compiler/loops/ops/TileGrid.h"

namespace quern {

/// A register tile of matrix tiles whose words are pairs: 32 k at a time, of each the terms of the product (op/MatmulOp.h) one after the
/// other.
///
/// Rows of A beyond the last are read in scratch and come to nothing: their sums are not stored. Beyond k nothing is read: what is left of
/// k over 32s is a pass of its own, with tiles of fewer pairs. Of a weight in blocks or of f16 B is what it
/// became in scratch.
class TileProduct final : public RoundedProduct {
public:
  TileProduct(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& schedule, const Value& batch,
              const Value& panels);

  void declareRows(const Value& rows) override;
  void phase(const BufferRef& a, const PlaceInA& at) override { rows_->phase(a, at); }
  /// Tiles are loaded from rows that lie apart, and some behind the last.
  void given(const Value& rows, const BufferRef& a, const PlaceInA& at) override { declareRows(rows), phase(a, at); }
  void convert(const Group& group) override { weight_.convert({group.batch, group.vectors, group.k0}, group.k1); }
  int64_t rowsTogether() const override { return TileGrid::kRows; }
  int64_t lastPass() const override { return k_ / kDepth * kDepth; }
  void inPass(const Value& k0, const std::function<void()>& body) override;
  const BufferRef* sums() const override { return &sums_; }
  void run(const Tile& tile) override;

private:
  static constexpr int64_t kDepth = 2 * TileGrid::kWords;

  void begin(const Tile& tile);
  void step(const Tile& tile, const Value& pair);

  OpBuild& build_;
  LoopBuilder& b_;
  std::span<const PieceTerm> terms_;
  int64_t k_, piecesOfA_;
  PairWeight weight_;
  TileGrid grid_;
  BufferRef sums_;
  std::optional<PairRows> rows_;
};

}  // namespace quern
