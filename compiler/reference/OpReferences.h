// compiler/reference/OpReferences.h — one function per op, defined in a file of its own or with its like.
#pragma once

#include "compiler/reference/Reference.h"

namespace quern {

using Inputs = std::span<const TensorData>;

/// No value looked at yet: each limit says that any is right.
ReferenceResult unseen(const TensorSpec& out);

#define QUERN_OP(Op) ReferenceResult referenceOf(const Op& op, Inputs inputs, DataKind kind, const ReferenceScope& scope);
QUERN_OPS(QUERN_OP, QUERN_OP)
#undef QUERN_OP

}  // namespace quern
