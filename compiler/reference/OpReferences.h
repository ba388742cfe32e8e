// compiler/reference/OpReferences.h — one function per op, defined in a file of its own or with its like.
#pragma once

#include "compiler/reference/Reference.h"

namespace quern {

using Inputs = std::span<const TensorData>;

/// No value looked at yet: each limit says that any is right.
ReferenceResult unseen(const TensorSpec& out);

/// A number as fma with flushing takes it: below 2^-126 in size 0; `round`: to bf16 first, nearest even.
float pairsOperand(float x, bool round);
/// A tensor of any weight's type as f32.
std::vector<float> floatsOf(ElementType type, const TensorData& tensor);
/// What handing on numbers as `type` errs by, on top of their limits.
///
///   bf16   2^-8 of what there is, and what is below 2^-126
///   q8     amax / 254 and, for the scale, 2^-21 amax, of each block; one with NaN or Inf is NaN
void handOn(ElementType type, ReferenceResult& result);
/// How many of `columns` row `row` of `rows` sees.
int64_t causalLimit(Causal causal, int64_t row, int64_t rows, int64_t columns);
/// NaN if any is, else the largest.
double highest(const std::vector<double>& x);

#define QUERN_OP(Op) ReferenceResult referenceOf(const Op& op, Inputs inputs, DataKind kind, const ReferenceScope& scope);
QUERN_OPS(QUERN_OP, QUERN_OP)
#undef QUERN_OP

}  // namespace quern
