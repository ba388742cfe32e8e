// compiler/op/RopeOp.h — rotary position embedding: pairs of a head's elements turned by angles that grow with the position.
#pragma once

#include "compiler/op/OpCommon.h"

namespace quern {

/// Which elements of a head make pair i: 2 i and 2 i + 1, or i and i + W/2.
enum class RopePairs : uint8_t { Adjacent, Half };

/// (a, b) of pair i of row t becomes (a cos - b sin, b cos + a sin), cos = angles[t, i], sin = angles[t, W/2 + i]
///
/// Shapes   x, out [T,H,D]; angles [T,W], W = turned, even: the first W elements of a head are turned, the others stay as they are;
///          turned= left out: all D. T may be dynamic.
/// Layout   x and out with leading strides; angles dense: rows of a table made once, in double, for all positions (frequencies may be
///          scaled in any way), from the first row's position on.
/// Numeric  |error| <= 4 eps |(a, b)|; to=f16, bf16: rounded to nearest even after that; to=q8_0: keptBlock of BlockValues.h.
/// Source   Su et al., RoFormer (adjacent); GPT-NeoX and Llama as Hugging Face stores it (half).
struct RopeOp {
  static constexpr std::string_view kName = "rope";
  static constexpr OpClass kClass = OpClass::Movement;

  Shape x = {Dim{1}, Dim{1}, Dim{2}};
  RopePairs pairs = RopePairs::Adjacent;
  ElementType to = ElementType::F32;
  int64_t turned = 0;  ///< 0: not given, all

  /// W.
  int64_t width() const { return turned != 0 ? turned : x[2].value; }
  static OpDoc doc();
  static RopeOp read(KeyReader& reader);
  static void fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes);
  KeyValues write() const;
  Result<void> validate() const;
  std::vector<TensorSpec> inputs() const;
  TensorSpec output() const;
  RopeOp fixed(const DimValues& values) const;
  RopeOp withRuntimeDims() const;
  double flops() const;
};

}  // namespace quern
