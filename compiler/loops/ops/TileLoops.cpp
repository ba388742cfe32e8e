// compiler/loops/ops/TileLoops.cpp — see TileLoops.h.
#include "compiler/loops/ops/TileLoops.h"

#include "compiler/base/Checked.h"

namespace quern {

TileProduct::TileProduct(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& s, const Value& batch,
                         const Value& panels)
    : build_(build),
      b_(build.b),
      terms_(op.terms()),
      k_(op.k.value),
      piecesOfA_(op.piecesOfA()),
      weight_(build, name, op, s, batch, panels),
      grid_(build.b, s.mr, s.nr),
      sums_(build.b.denseBuffer("sums", Scalar::F32, BufferRole::ThreadScratch, {s.mr, s.nr})) {}

void TileProduct::declareRows(const Value& rows) { rows_.emplace(build_, rows, k_, piecesOfA_, grid_.rowsBehind()); }

void TileProduct::inPass(const Value& k0, const std::function<void()>& body) {
  bool tail = lastPass() < k_ && k0.isConstant(lastPass());
  grid_.inTiles(tail ? static_cast<int>(ceilDiv(k_ - lastPass(), 2)) : TileShape::kMostWords, body);
}

/// From 0, or from the sums so far.
void TileProduct::begin(const Tile& tile) {
  auto load = [&] { grid_.load(TileGrid::partOf(tile), {sums_, {0, 0}}); };
  auto zero = [&] { grid_.zero(TileGrid::partOf(tile)); };
  if (tile.resumes) load();
  else if (tile.begun.expr() == nullptr) zero();
  else b_.when(tile.begun, load, zero);
}

/// Term after term; what the one before has loaded stays.
void TileProduct::step(const Tile& tile, const Value& pair) {
  PieceTerm loaded{-1, -1};
  for (const PieceTerm& term : terms_) {
    if (term.b != loaded.b)
      grid_.columns(TileGrid::partOf(tile), [&](size_t v) {
        auto [buffer, place] = weight_.held({tile.batch, tile.vectors, tile.k0}, v, term.b, pair);
        return TileGrid::Place{buffer, place};
      });
    auto rows = [&](int64_t r) { return TileGrid::Place{rows_->words(), rows_->at(tile.row + r, term.a, pair)}; };
    if (term.a != loaded.a) grid_.dots(TileDot::Pairs, TileGrid::partOf(tile), rows);
    else grid_.dots(TileDot::Pairs, TileGrid::partOf(tile));
    loaded = term;
  }
}

void TileProduct::run(const Tile& tile) {
  tile.start();
  begin(tile);
  b_.loop("pair", tile.k0 / 2, ceilDivOf(tile.k1, 2), TileGrid::kWords, [&](const Value& pair) { step(tile, pair); });
  grid_.store(TileGrid::partOf(tile), {sums_, {0, 0}});
}

}  // namespace quern
