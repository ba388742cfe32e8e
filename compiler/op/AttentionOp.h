// compiler/op/AttentionOp.h — scaled dot-product attention with grouped key/value heads.
#pragma once

#include "compiler/op/OpCommon.h"

namespace quern {

/// Keys are taken in tiles, tiles in segments, at absolute positions: part of the numeric order (loops/ops/AttentionTile.h).
inline constexpr int64_t kKeyTile = 64, kKeySegment = 2048;

/// out[b,i,h] = sum over j of softmax_j(s[b,h,i,j]) V[b,j,g], g = h / (heads / kv_heads)
/// s = scale Q[b,i,h] . K[b,j,g]; softcap: then softcap tanh(s / softcap); mask: then s + mask[b,h,i,j]
///
/// Shapes   Q [batch, q, heads, head_dim]; K [batch, kv, kv_heads, head_dim]; V, out with v_dim (without: head_dim) in its place; the
///          leading axis only where batch is said; batch, q and kv may be dynamic. mask: f32 of two to four axes that broadcast to
///          [batch, heads, q, kv], 1 or whole each. lens: i32 [batch]. sinks: [heads].
/// Keys     Those at or beyond lens[b] (below 0: 0; above kv: kv) do not count, whatever lies there. causal=1: with rows r and valid keys c
///          of that b, key j of row i counts if j <= i + (c - r), so that the last row sees the last valid key; causal=topleft: if
///          j <= i. A key masked by -inf has weight 0 as any number has: its value still meets that 0.
///          window=W: with causal, of those keys only the last W count for each row; the others are not read but for those that share a
///          tile (kKeyTile) with one that counts.
/// Sinks    sinks=1: each head has a score of its own, sinks[h], that takes part in the softmax of its rows (after mask and softcap) and
///          has no value: the weights of keys then sum to less than one.
/// Operands Q, K, V, (mask), (lens), (sinks).
/// Layout   token-major, strides in elements between tokens and between heads; head_dim contiguous. A KV cache stored
///          [kv_heads, capacity, head_dim] is the same tensor with other strides. kv_type=q8_0: head_dim and the strides of K and V are
///          whole blocks of 32; a head's row is its blocks as a file has them (ElementType.h), 34 bytes each.
/// Numeric  err <= (16 + max|s|) eps max|v|, s the scaled scores. Position j's part in a row depends on j alone, so a prompt in one piece,
///          in chunks or token by token gives the same bits. A fully masked row is zeros: one that sees no key, or, with a mask, whose
///          scores are all -inf.
///          softcap: s times f32(1 / softcap), tanh, times softcap; 6 softcap eps max|v| more. mask: max|s + mask| eps max|v| more, of
///          those scores that are within 128 of the highest.
///          sinks: |sinks[h]| is one of the |s|. With these, batch, v_dim or lens each s counts as scale |Q| . |K| / 16 at
///          least, for what cancels in it is rounded too: seen with s = 2 of products that sum to 3,059 in size.
///          kv_type=f16, bf16, q8_0: K and V are the f32 that their elements stand for, exactly (q8_0: scale times code fits), and nothing
///          else is rounded; limit and bits are those of the same values in f32.
///          a=bf16, with kv_type=bf16: both products are of bf16 in the `order` of MatmulOp.h, where numbers below 2^-126 in size are 0.
///            Q        is rounded to bf16, nearest even; each Q . K[j] is a sum over head_dim from +0, times scale in f32
///            softmax  in f32, as without; its exponentials P, before they are divided by their sum, to bf16, nearest even
///            P V      a sum over the 64 keys of a tile from +0, keys 2 j and 2 j + 1 of it a pair; a key that a row does not see is a
///                     zero in both operands
///            sum      of P as it was rounded: the weights of a row sum to one as they are applied, what all its values have in common
///                     comes out as it is, and only how far they lie apart meets the rounding
///          err <= (2^-8 (1 + 2^-7) + 2 (head_dim + 2) u max(scale |Q| . |K|)) D + (16 + max|s|) eps max|v| + E against rounded Q, where
///          D = sum_j softmax_j |V[j] - out|, u = 2^-24, and E, the part of what is flushed, is
///          2^-126 (kv + 2 head_dim scale max|v|).
struct AttentionOp {
  static constexpr std::string_view kName = "attention";
  static constexpr OpClass kClass = OpClass::Attention;

  Dim heads, kvHeads, headDim, q, kv;
  ElementType kvType = ElementType::F32;  ///< of K and V: f32, f16, bf16 or q8_0
  Causal causal = Causal::No;
  float scale = 0;                      ///< 0: not given, 1 / sqrt(head_dim)
  RoundedTo a = RoundedTo::F32;         ///< Q and the softmax as they are multiplied: f32 or bf16
  PairOrder order = PairOrder::Tile32;  ///< of a=bf16
  bool batched = false;                 ///< arrays have the leading axis, of whatever length
  Dim batch{1};
  Dim vDim{0};        ///< 0: not given, head_dim
  float softcap = 0;  ///< 0: none
  Shape mask;         ///< of rank 0: none
  bool lens = false;
  int64_t window = 0;  ///< 0: none
  bool sinks = false;
  static constexpr bool commonMaths = true;  ///< tanh, as all else, in one form on all levels with fma

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
  /// V's width.
  int64_t valueDim() const { return vDim.value == 0 ? headDim.value : vDim.value; }

private:
  TensorSpec tensor(std::string name, Dim tokens, Dim rows, int64_t width) const;
};

}  // namespace quern
