// compiler/op/activations/TailTables.h — the gelus and silu as max(x, 0) - h(|x|), tanh as h(|x|) with x's sign, h a polynomial for
// each of 32 intervals: where 32 entries fit in two registers and one instruction looks sixteen of them up, that is a third of the
// arithmetic of an exponential.
#pragma once

#include <span>

namespace quern {

/// h(a) = sum over i of terms[i][k] t^i, k = round(a / width), t = a - k width; `end` < 31.5 width: beyond, the gelus'
/// and silu's h is below 0.7 of 2^-26, and tanh rounds to 1.
struct TailTable {
  float width, end;
  std::span<const float> terms;  ///< [degree + 1][32], lowest first
};

TailTable geluErfTail();
TailTable geluTanhTail();
TailTable geluSigmoidTail();
TailTable siluTail();
TailTable tanhTable();

}  // namespace quern
