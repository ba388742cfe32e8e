// models/files/WeightValues.h — the values of a model file's tensors as floats, and floats as such values.
#pragma once

#include "models/files/TensorType.h"

#include <cstddef>
#include <cstdint>

namespace quern {

/// IEEE half and bfloat16, exact to float; from float rounded to nearest, ties to even; NaN stays NaN.
float halfToFloat(uint16_t half);
uint16_t floatToHalf(float value);
float bfloatToFloat(uint16_t bfloat);
uint16_t floatToBfloat(float value);

/// Whether toFloats takes `type`; else why not, as "iq2_xs is known but cannot be converted to floats".
Result<void> checkConvertible(TensorType type);

/// out[i] = the value of element i.
///
/// Layout   `bytes`: rowBytes(type, elements), of any alignment. `elements`: whole blocks.
/// Numeric  f16, bf16: exact. f64: rounded once. Blocks: d, m and scales are exact products, then
///          q4_0 d (q - 8) · q5_0 d (q - 16) · q8_0 d q · q4_1, q5_1 d q + m · q2_K, q4_K, q5_K (d sc) q - (dmin m) ·
///          q3_K, q6_K (d sc) q · iq4_nl, iq4_xs (d sc) table[q]: each product is exact in float but for d beyond
///          the normal halves, so that only the sum rounds.
/// Errors   BadInput as checkConvertible.
/// Source   the block layouts of ggml (ggml-common.h) and the values of its dequantize_row functions.
Result<void> toFloats(TensorType type, const std::byte* bytes, int64_t elements, float* out);

}  // namespace quern
