// models/files/WeightValues.h — the values of a model file's tensors as floats, and floats as such values.
#pragma once

#include "models/files/TensorType.h"

#include <cstddef>

namespace quern {

/// Whether toFloats takes `type`; else why not, as "iq2_xs is known but cannot be converted to floats".
Result<void> checkConvertible(TensorType type);

/// out[i] = the value of element i.
///
/// Layout   `bytes`: rowBytes(type, elements), of any alignment. `elements`: whole blocks.
/// Numeric  f16, bf16: exact. f64: rounded once. Blocks, with halves d and m, small integers s, t, q:
///          q4_0 d (q - 8) · q5_0 d (q - 16) · q8_0 d q · q4_1, q5_1 d q + m · q2_K, q4_K, q5_K (d s) q - (m t) ·
///          q3_K, q6_K (d s) q · iq4_nl, iq4_xs (d s) table[q] · mxfp4 2^(e - 128) table[q] · tq1_0, tq2_0 d (q - 1).
///          Every product has at most 24 bits and is exact; the sums round once.
/// Errors   BadInput as checkConvertible.
/// Source   the block layouts of ggml (ggml-common.h) and the values of its dequantize_row functions.
Result<void> toFloats(TensorType type, const std::byte* bytes, int64_t elements, float* out);

/// The other way, for f32 f16 bf16 f64 and every type in blocks above but tq1_0 and tq2_0.
///
/// Numeric  f16, bf16 rounded to nearest even. q8_0: d = max|x| / 127, q = x / d rounded half away from zero. q4_0: d = x / -8
///          for the x of largest size, q = floor(x / d + 8.5), at most 15 (both with d before it is rounded to f16: ggml's
///          reference). q4_K, q6_K: scales of the extremes of each part, rounded; |error| is at most about 0.6 of a step.
///          The others (BlockEncode.cpp): of a few scales, and minima, the ones of least squared error.
/// Errors   BadInput: another type, no whole blocks, NaN or Inf in a block type, a block whose scale f16 cannot hold.
Result<void> fromFloats(TensorType type, const float* values, int64_t elements, std::byte* out);

}  // namespace quern
