// compiler/loops/ops/TileLoops.cpp — see TileLoops.h.
#include "compiler/loops/ops/TileLoops.h"

#include "compiler/base/Checked.h"

#include <algorithm>

namespace quern {

using Place = std::vector<Value>;

TileProduct::TileProduct(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& s, const Value& batch,
                         const Value& panels)
    : build_(build),
      b_(build.b),
      k_(op.k.value),
      tall_(s.mr / kRows),
      vectors_(s.nr / s.lanes),
      weight_(build, name, op, s, batch, panels) {
  sums_ = b_.denseBuffer("sums", Scalar::F32, BufferRole::ThreadScratch, {s.mr, s.nr});
}

void TileProduct::declareRows(const Value& rows) { rows_.emplace(build_, rows, k_, 1, tall_ * kRows - 1); }

void TileProduct::inPass(const Value& k0, const std::function<void()>& body) {
  bool tail = lastPass() < k_ && k0.isConstant(lastPass());
  int pairs = tail ? static_cast<int>(ceilDiv(k_ - lastPass(), 2)) : TileShape::kMostWords;
  std::vector<TileShape> shapes(static_cast<size_t>(tall_ * vectors_));
  shapes.insert(shapes.end(), static_cast<size_t>(tall_), {TileShape::kMostRows, pairs});
  shapes.insert(shapes.end(), static_cast<size_t>(vectors_), {pairs, TileShape::kMostWords});
  b_.tiles(std::move(shapes), body);
}

void TileProduct::eachSum(const Tile& tile, const std::function<void(int64_t, size_t)>& body) const {
  for (int64_t r = 0; r < tile.rows / kRows; ++r)
    for (size_t v = 0; v < tile.vectors.size(); ++v) body(r, v);
}

/// From 0, or from the sums so far.
void TileProduct::begin(const Tile& tile) {
  auto zero = [&] { eachSum(tile, [&](int64_t r, size_t v) { b_.tileZero(sum(r, v)); }); };
  auto load = [&] {
    eachSum(tile,
            [&](int64_t r, size_t v) { b_.tileLoad(sum(r, v), sums_, Place{r * kRows, static_cast<int64_t>(v) * TileShape::kMostWords}); });
  };
  if (tile.resumes) load();
  else if (tile.begun.expr() == nullptr) zero();
  else b_.when(tile.begun, load, zero);
}

void TileProduct::step(const Tile& tile, const Value& pair) {
  for (size_t v = 0; v < tile.vectors.size(); ++v) {
    auto [buffer, place] = weight_.held({tile.batch, tile.vectors, tile.k0}, v, 0, pair);
    b_.tileLoad(ofB(v), buffer, place);
  }
  for (int64_t r = 0; r < tile.rows / kRows; ++r) {
    b_.tileLoad(ofA(r), rows_->words(), Place{tile.row + r * kRows, pair});
    for (size_t v = 0; v < tile.vectors.size(); ++v) b_.tileDotPairs(sum(r, v), ofA(r), ofB(v));
  }
}

void TileProduct::run(const Tile& tile) {
  tile.start();
  begin(tile);
  b_.loop("pair", tile.k0 / 2, ceilDivOf(tile.k1, 2), TileShape::kMostWords, [&](const Value& pair) { step(tile, pair); });
  eachSum(tile,
          [&](int64_t r, size_t v) { b_.tileStore(sums_, Place{r * kRows, static_cast<int64_t>(v) * TileShape::kMostWords}, sum(r, v)); });
}

}  // namespace quern
