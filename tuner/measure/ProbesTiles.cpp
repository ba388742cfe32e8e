// tuner/measure/ProbesTiles.cpp — what matrix tiles multiply at most: six chains of products, so that one need not wait for the one before.
#include "tuner/measure/Probe.h"

#include <immintrin.h>

namespace quern {

namespace {

/// What ldtilecfg reads: eight tiles of 16 rows of 64 bytes.
struct alignas(64) TileShapes {
  uint8_t palette = 1, startRow = 0, reserved[14] = {};
  uint16_t rowBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

/// Tiles 0 to 5 are summed into; 6 and 7 are the operands. Returns the operations done, `each` a product.
template <class Products>
double inTiles(int64_t rounds, double each, Products products) {
  static const TileShapes kShapes;
  _tile_loadconfig(&kShapes);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (int64_t i = 0; i < rounds; ++i) products();
  _tile_release();
  return static_cast<double>(rounds) * 6 * each;
}

}  // namespace

/// A tile's number is a part of the instruction.
#define QUERN_SIX_PRODUCTS(product) \
  [] {                              \
    product(0, 6, 7);               \
    product(1, 6, 7);               \
    product(2, 6, 7);               \
    product(3, 6, 7);               \
    product(4, 6, 7);               \
    product(5, 6, 7);               \
  }

double tilesOfBf16(int64_t rounds) { return inTiles(rounds, 2 * 16 * 16 * 32, QUERN_SIX_PRODUCTS(_tile_dpbf16ps)); }
double tilesOfBytes(int64_t rounds) { return inTiles(rounds, 2 * 16 * 16 * 64, QUERN_SIX_PRODUCTS(_tile_dpbssd)); }

}  // namespace quern
