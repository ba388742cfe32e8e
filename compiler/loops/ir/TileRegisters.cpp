// compiler/loops/ir/TileRegisters.cpp — see TileRegisters.h.
#include "compiler/loops/ir/TileRegisters.h"

#include "compiler/loops/ir/FlushedFma.h"
#include "compiler/loops/ir/Lanes.h"

namespace quern {

static float lowOf(uint32_t pair) { return asFloat(uint64_t{pair & 0xffff} << 16); }
static float highOf(uint32_t pair) { return asFloat(pair & 0xffff0000); }

void TileRegisters::configure(const std::vector<TileShape>& shapes) {
  tiles_ = {};
  for (size_t i = 0; i < shapes.size(); ++i) tiles_[i].shape = shapes[i];
}

uint32_t TileRegisters::pairs(uint32_t sum, int a, int m, int b, int n) {
  float even = 0, odd = 0;
  for (int p = 0; p < shape(a).words; ++p) {
    uint32_t x = words(a, m)[p], y = words(b, p)[n];
    even = flushedFma(lowOf(x), lowOf(y), even);
    odd = flushedFma(highOf(x), highOf(y), odd);
  }
  return static_cast<uint32_t>(asBits(flushedFma(asFloat(sum), 1, flushedFma(even, 1, odd))));
}

uint32_t TileRegisters::bytes(uint32_t sum, int a, int m, int b, int n) {
  for (int p = 0; p < shape(a).words; ++p)
    for (int shift = 0; shift < 32; shift += 8) {
      int32_t x = static_cast<int8_t>(words(a, m)[p] >> shift), y = static_cast<uint8_t>(words(b, p)[n] >> shift);
      sum += static_cast<uint32_t>(x * y);
    }
  return sum;
}

void TileRegisters::dot(TileDot kind, int sums, int a, int b) {
  TileShape shape = this->shape(sums);
  for (int m = 0; m < shape.rows; ++m)
    for (int n = 0; n < shape.words; ++n) {
      uint32_t& sum = words(sums, m)[n];
      sum = kind == TileDot::Pairs ? pairs(sum, a, m, b, n) : bytes(sum, a, m, b, n);
    }
}

}  // namespace quern
