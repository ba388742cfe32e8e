// compiler/op/AttentionOp.h — scaled dot-product attention with grouped key/value heads.
#pragma once

#include "compiler/op/OpCommon.h"

namespace quern {

/// Keys are taken in tiles, tiles in segments, at absolute positions: part of the numeric order (loops/AttentionTile.h).
inline constexpr int64_t kKeyTile = 64, kKeySegment = 2048;

/// out[i,h] = sum over j of softmax_j(scale Q[i,h] . K[j,g]) V[j,g], g = h / (heads / kv_heads)
///
/// Shapes   Q, out [q, heads, head_dim]; K, V [kv, kv_heads, head_dim]; q and kv may be dynamic.
/// Layout   token-major, strides in elements between tokens and between heads; head_dim contiguous. A KV cache stored
///          [kv_heads, capacity, head_dim] is the same tensor with other strides.
/// Numeric  err <= (16 + max|s|) eps max|v|, s the scaled scores. Position j's part in a row depends on j alone, so a
///          prompt in one piece, in chunks or token by token gives the same bits. A fully masked row is zeros.
struct AttentionOp {
  static constexpr std::string_view kName = "attention";
  static constexpr OpClass kClass = OpClass::Attention;

  Dim heads, kvHeads, headDim, q, kv;
  ElementType kvType = ElementType::F32;  ///< of K and V: f32 or f16
  Causal causal = Causal::No;
  float scale = 0;  ///< 0: not given, 1 / sqrt(head_dim)

  static OpDoc doc();
  static AttentionOp read(KeyReader& reader);
  static void fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes);
  KeyValues write() const;
  Result<void> validate() const;
  std::vector<TensorSpec> inputs() const;
  TensorSpec output() const;
  AttentionOp fixed(const DimValues& values) const;
  AttentionOp withRuntimeDims() const;
  double flops() const;  ///< of the unmasked part

  float factor() const;
};

}  // namespace quern
