// compiler/loops/ops/TileGrid.cpp — see TileGrid.h.
#include "compiler/loops/ops/TileGrid.h"

namespace quern {

TileGrid::TileGrid(LoopBuilder& b, const MatmulSchedule& s, const std::string& name, Scalar type)
    : b_(b), tall_(s.mr / kRows), vectors_(s.nr / s.lanes) {
  sums_ = b.denseBuffer(name, type, BufferRole::ThreadScratch, {s.mr, s.nr});
}

void TileGrid::inTiles(int words, const std::function<void()>& body) const {
  std::vector<TileShape> shapes(static_cast<size_t>(tall_ * vectors_));
  shapes.insert(shapes.end(), static_cast<size_t>(tall_), {TileShape::kMostRows, words});
  shapes.insert(shapes.end(), static_cast<size_t>(vectors_), {words, TileShape::kMostWords});
  b_.tiles(std::move(shapes), body);
}

void TileGrid::eachSum(const Tile& tile, const std::function<void(int, const std::vector<Value>&)>& body) const {
  for (int64_t r = 0; r < tile.rows / kRows; ++r)
    for (size_t v = 0; v < tile.vectors.size(); ++v) body(sum(r, v), {r * kRows, static_cast<int64_t>(v) * kWords});
}

void TileGrid::zero(const Tile& tile) const {
  eachSum(tile, [&](int sum, const std::vector<Value>&) { b_.tileZero(sum); });
}

void TileGrid::load(const Tile& tile) const {
  eachSum(tile, [&](int sum, const std::vector<Value>& place) { b_.tileLoad(sum, sums_, place); });
}

void TileGrid::store(const Tile& tile) const {
  eachSum(tile, [&](int sum, const std::vector<Value>& place) { b_.tileStore(sums_, place, sum); });
}

void TileGrid::columns(const Tile& tile, const std::function<Place(size_t)>& b) const {
  for (size_t v = 0; v < tile.vectors.size(); ++v) {
    Place place = b(v);
    b_.tileLoad(ofB(v), place.buffer, place.index);
  }
}

void TileGrid::dots(TileDot kind, const Tile& tile, const std::function<Place(int64_t)>& a) const {
  for (int64_t r = 0; r < tile.rows / kRows; ++r) {
    if (a) {
      Place place = a(r * kRows);
      b_.tileLoad(ofA(r), place.buffer, place.index);
    }
    for (size_t v = 0; v < tile.vectors.size(); ++v) b_.tileDot(kind, sum(r, v), ofA(r), ofB(v));
  }
}

}  // namespace quern
