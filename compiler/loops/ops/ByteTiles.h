// compiler/loops/ops/ByteTiles.h — products with a=i8 on matrix units (dots=amx).
#pragma once

#include "compiler/loops/ops/ByteLoops.h"
#include "compiler/loops/ops/TileGrid.h"

namespace quern {

/// A register tile of matrix tiles whose words are four bytes: 64 k at a time, sums of i32 to the end of k.
///
///   D = 0; for 16 words: D += codes of 32 rows x words of 32 columns; then C = fma(f32(D + start), scale of row scales[n], C)
///
/// Rows of A beyond the last are read in scratch and come to nothing. Of k not a multiple of 64 the last step takes B's last 16 words
/// again, of which some were taken before, with codes that have zeros there (ByteRows); of k below that tiles are as deep as k.
class ByteTiles final : public RoundedProduct {
public:
  ByteTiles(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& schedule, const Value& batch,
            const Value& panels);

  void declareRows(const Value& rows) override;
  void phase(const BufferRef& a, const PlaceInA& at) override { rows_->phase(a, at); }
  void given(const Value& rows, const BufferRef& a, const PlaceInA& at) override;
  int64_t rowsTogether() const override { return TileGrid::kRows; }
  void inPass(const Value& k0, const std::function<void()>& body) override;
  const BufferRef* sums() const override { return &sums_; }
  void run(const Tile& tile) override;

private:
  void step(const Tile& tile, const Value& code, const Value& word) const;
  void scaled(const Tile& tile) const;

  OpBuild& build_;
  LoopBuilder& b_;
  int64_t k_, depth_;  ///< depth of a tile, in words
  ByteWeight weight_;
  TileGrid grid_;
  BufferRef dots_, sums_;
  std::optional<ByteRows> rows_;
};

}  // namespace quern
