// models/files/BlockEncode.h — floats as one block of the types with scales that are searched for: a part of fromFloats (WeightValues.h).
#pragma once

#include "models/files/TensorType.h"

namespace quern {

/// One block from its finite values. False where f16 cannot hold its scale, or the value itself.
using PutBlock = bool (*)(const float* in, uint8_t* out);

/// Of q4_1 q5_0 q5_1 q2_K q3_K q5_K iq4_nl iq4_xs mxfp4; null: of another.
PutBlock searchedEncoderOf(TensorType type);

/// Eight scales and minima of six bits in 12 bytes, as q4_K and q5_K have them.
void packSixBits(const int* scales, const int* minima, uint8_t* out);

}  // namespace quern
