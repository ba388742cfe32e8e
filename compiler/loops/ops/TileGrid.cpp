// compiler/loops/ops/TileGrid.cpp — see TileGrid.h.
#include "compiler/loops/ops/TileGrid.h"

namespace quern {

TileGrid::TileGrid(LoopBuilder& b, int64_t rows, int64_t columns) : b_(b), tall_(rows / kRows), vectors_(columns / kWords) {}

void TileGrid::inTiles(int words, const std::function<void()>& body) const {
  std::vector<TileShape> shapes(static_cast<size_t>(tall_ * vectors_));
  shapes.insert(shapes.end(), static_cast<size_t>(tall_), {TileShape::kMostRows, words});
  shapes.insert(shapes.end(), static_cast<size_t>(vectors_), {words, TileShape::kMostWords});
  b_.tiles(std::move(shapes), body);
}

void TileGrid::eachSum(const Part& part, const std::function<void(int, int64_t, int64_t)>& body) const {
  for (int64_t r = 0; r < part.rows / kRows; ++r)
    for (size_t v = 0; v < part.vectors; ++v) body(sum(r, v), r * kRows, static_cast<int64_t>(v) * kWords);
}

static std::vector<Value> moved(std::vector<Value> index, int64_t rows, int64_t columns) {
  index[index.size() - 2] = index[index.size() - 2] + rows;
  index.back() = index.back() + columns;
  return index;
}

void TileGrid::zero(const Part& part) const {
  eachSum(part, [&](int sum, int64_t, int64_t) { b_.tileZero(sum); });
}

void TileGrid::load(const Part& part, const Place& first) const {
  eachSum(part, [&](int sum, int64_t row, int64_t column) { b_.tileLoad(sum, first.buffer, moved(first.index, row, column)); });
}

void TileGrid::store(const Part& part, const Place& first) const {
  eachSum(part, [&](int sum, int64_t row, int64_t column) { b_.tileStore(first.buffer, moved(first.index, row, column), sum); });
}

void TileGrid::columns(const Part& part, const std::function<Place(size_t)>& b) const {
  for (size_t v = 0; v < part.vectors; ++v) {
    Place place = b(v);
    b_.tileLoad(ofB(v), place.buffer, place.index);
  }
}

void TileGrid::dots(TileDot kind, const Part& part, const std::function<Place(int64_t)>& a) const {
  for (int64_t r = 0; r < part.rows / kRows; ++r) {
    if (a) {
      Place place = a(r * kRows);
      b_.tileLoad(ofA(r), place.buffer, place.index);
    }
    for (size_t v = 0; v < part.vectors; ++v) b_.tileDot(kind, sum(r, v), ofA(r), ofB(v));
  }
}

}  // namespace quern
