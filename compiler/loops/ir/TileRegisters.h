// compiler/loops/ir/TileRegisters.h — matrix tiles as the interpreter has them.
#pragma once

#include "compiler/loops/ir/LoopProgram.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace quern {

/// Tiles 0, 1, ... of the block that runs. Numbers and shapes have been verified.
class TileRegisters {
public:
  /// All of them 0.
  void configure(const std::vector<TileShape>& shapes);
  TileShape shape(int tile) const { return at(tile).shape; }
  std::byte* row(int tile, int r) { return reinterpret_cast<std::byte*>(words(tile, r)); }
  void zero(int tile) { at(tile).rows = {}; }
  /// Over the words p of a[m][p] and b[p][n]
  ///
  ///   pairs   sums[m][n] + (even + odd), which are chains from 0: fma over the low halves, fma over the high ones. Numeric: to nearest
  ///           even, numbers below 2^-126 in size are 0
  ///   bytes   sums[m][n] + products of a's bytes with a sign and b's without, modulo 2^32
  void dot(TileDot kind, int sums, int a, int b);

private:
  struct Tile {
    TileShape shape;
    std::array<std::array<uint32_t, TileShape::kMostWords>, TileShape::kMostRows> rows{};
  };
  /// A sum that goes on by words of a's row m and of b's column n.
  uint32_t pairs(uint32_t sum, int a, int m, int b, int n);
  uint32_t bytes(uint32_t sum, int a, int m, int b, int n);
  uint32_t* words(int tile, int r) { return at(tile).rows[static_cast<size_t>(r)].data(); }
  Tile& at(int tile) { return tiles_[static_cast<size_t>(tile)]; }
  const Tile& at(int tile) const { return tiles_[static_cast<size_t>(tile)]; }

  std::array<Tile, TileShape::kMostTiles> tiles_;
};

}  // namespace quern
