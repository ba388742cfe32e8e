// compiler/reference/OpReferences.h — one function per op; an op adds a line and a definition.
#pragma once

#include "compiler/reference/Reference.h"

namespace quern {

using Inputs = std::span<const TensorData>;

ReferenceResult referenceOf(const MatmulOp& op, Inputs inputs, DataKind kind);
ReferenceResult referenceOf(const MapOp& op, Inputs inputs, DataKind kind);
ReferenceResult referenceOf(const SoftmaxOp& op, Inputs inputs, DataKind kind);
ReferenceResult referenceOf(const ReduceOp& op, Inputs inputs, DataKind kind);
ReferenceResult referenceOf(const LayerNormOp& op, Inputs inputs, DataKind kind);
ReferenceResult referenceOf(const RmsNormOp& op, Inputs inputs, DataKind kind);
ReferenceResult referenceOf(const EmbeddingOp& op, Inputs inputs, DataKind kind);
ReferenceResult referenceOf(const TransposeOp& op, Inputs inputs, DataKind kind);
ReferenceResult referenceOf(const RopeOp& op, Inputs inputs, DataKind kind);
ReferenceResult referenceOf(const CastOp& op, Inputs inputs, DataKind kind);
ReferenceResult referenceOf(const AttentionOp& op, Inputs inputs, DataKind kind);

}  // namespace quern
