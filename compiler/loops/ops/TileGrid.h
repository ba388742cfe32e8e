// compiler/loops/ops/TileGrid.h — the matrix tiles that a register tile of dots=amx is made of.
#pragma once

#include "compiler/loops/build/LoopBuilder.h"

namespace quern {

/// R x V matrix tiles of 16 x 16 sums, R = rows / 16, V = columns / 16; R tiles of A and V of B at a time, 16 words deep:
///
///        B 0   B 1       16 words x 16 columns: 16 neighbouring columns of 16 rows of a panel
///   A 0  sum   sum       16 rows x 16 words
///   A 1  sum   sum       R + V loads, R V dots
class TileGrid {
public:
  /// Where a tile begins.
  struct Place {
    BufferRef buffer;
    std::vector<Value> index;
  };
  /// So many of the rows, a multiple of 16, and of the vectors of columns.
  struct Part {
    int64_t rows;
    size_t vectors;
  };

  /// Of a product's tile (RoundedProduct::Tile).
  template <class Tile>
  static Part partOf(const Tile& tile) {
    return {tile.rows, tile.vectors.size()};
  }

  TileGrid(LoopBuilder& b, int64_t rows, int64_t columns);

  /// Rows of A's scratch behind the last that may be read.
  int64_t rowsBehind() const { return tall_ * kRows - 1; }
  /// Around what has tiles, so many words deep.
  void inTiles(int words, const std::function<void()>& body) const;
  void zero(const Part& part) const;
  /// Sums, row by row, the first at `first`.
  void load(const Part& part, const Place& first) const;
  void store(const Part& part, const Place& first) const;
  /// B's tiles, that of a vector from b(v) on.
  void columns(const Part& part, const std::function<Place(size_t v)>& b) const;
  /// All sums go on by words of A times B's tiles; A's tiles from a(r) on for rows from r on, or as they are.
  void dots(TileDot kind, const Part& part, const std::function<Place(int64_t r)>& a = {}) const;

  static constexpr int64_t kRows = TileShape::kMostRows, kWords = TileShape::kMostWords;

private:
  // Tiles by number: sums row by row, then A's, then B's.
  int sum(int64_t r, size_t v) const { return static_cast<int>(r * vectors_ + static_cast<int64_t>(v)); }
  int ofA(int64_t r) const { return static_cast<int>(tall_ * vectors_ + r); }
  int ofB(size_t v) const { return static_cast<int>(tall_ * vectors_ + tall_ + static_cast<int64_t>(v)); }
  void eachSum(const Part& part, const std::function<void(int sum, int64_t row, int64_t column)>& body) const;

  LoopBuilder& b_;
  int64_t tall_, vectors_;
};

}  // namespace quern
