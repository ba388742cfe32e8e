// compiler/reference/OpReferences.h — one function per op; an op adds a line and a definition.
#pragma once

#include "compiler/reference/Reference.h"

namespace quern {

using Inputs = std::span<const TensorData>;

/// No value looked at yet: each limit says that any is right.
ReferenceResult unseen(const TensorSpec& out);

ReferenceResult referenceOf(const MatmulOp& op, Inputs inputs, DataKind kind, const ReferenceScope& scope);
ReferenceResult referenceOf(const MapOp& op, Inputs inputs, DataKind kind, const ReferenceScope& scope);
ReferenceResult referenceOf(const SoftmaxOp& op, Inputs inputs, DataKind kind, const ReferenceScope& scope);
ReferenceResult referenceOf(const ReduceOp& op, Inputs inputs, DataKind kind, const ReferenceScope& scope);
ReferenceResult referenceOf(const LayerNormOp& op, Inputs inputs, DataKind kind, const ReferenceScope& scope);
ReferenceResult referenceOf(const RmsNormOp& op, Inputs inputs, DataKind kind, const ReferenceScope& scope);
ReferenceResult referenceOf(const EmbeddingOp& op, Inputs inputs, DataKind kind, const ReferenceScope& scope);
ReferenceResult referenceOf(const TransposeOp& op, Inputs inputs, DataKind kind, const ReferenceScope& scope);
ReferenceResult referenceOf(const RopeOp& op, Inputs inputs, DataKind kind, const ReferenceScope& scope);
ReferenceResult referenceOf(const CastOp& op, Inputs inputs, DataKind kind, const ReferenceScope& scope);
ReferenceResult referenceOf(const AttentionOp& op, Inputs inputs, DataKind kind, const ReferenceScope& scope);

}  // namespace quern
