// tuner/check/WeightInputs.h — what checks put into inputs: numbers of a kind, and blocks of quantised weights of the same kind.
#pragma once

#include "compiler/op/ElementType.h"

#include <cstddef>
#include <random>
#include <string_view>

namespace quern {

/// What is put into the inputs.
enum class InputData : uint8_t {
  ZeroMean,  ///< uniform [-1, 1)
  Unit,      ///< uniform [0, 1)
  Integer,   ///< whole numbers in [-4, 4]: matmul and sums are exact
  Specials,  ///< zero-mean, with NaN, Inf, -0, denormals and huge values strewn in
  Offset,    ///< uniform [99, 101): sums grow with their length
  Same,      ///< 1.1 everywhere: roundings of a sum all lean one way
  Huge,      ///< either sign, from a quarter of the largest float up to it: squares, products and sums of two may overflow
  Tiny,      ///< either sign, from denormals up to 2^-100: squares and products vanish
};
std::string_view text(InputData data);

/// One number.
float drawn(InputData data, std::mt19937_64& random);

/// Whole blocks of any type but i32 whose values are of the kind: zero-mean, not above one; whole numbers; any bits in some scales.
void drawBlocks(ElementType type, int64_t elements, std::byte* to, InputData data, std::mt19937_64& random);
/// The same of rows that kernels keep as q8_0 (keptBlock of BlockValues.h), not of a weight: numbers as drawn() gives them, rounded.
void drawKept(int64_t elements, std::byte* to, InputData data, std::mt19937_64& random);

}  // namespace quern
