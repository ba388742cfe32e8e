// compiler/op/TransposeOp.h — axes in another order.
#pragma once

#include "compiler/op/OpCommon.h"

namespace quern {

/// out.shape[i] = x.shape[perm[i]], out[i0, i1, ...] = x[...] with index j of x at position perm^-1(j)
///
/// Shapes   any rank, a scalar too; perm is a permutation of 0..rank-1, written with commas; the default reverses the axes.
/// Layout   dense row-major. Numeric: exact copies.
struct TransposeOp {
  static constexpr std::string_view kName = "transpose";
  static constexpr OpClass kClass = OpClass::Movement;

  Shape x;
  std::vector<int> perm;

  static OpDoc doc();
  static TransposeOp read(KeyReader& reader);
  static void fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes);
  KeyValues write() const;
  Result<void> validate() const;
  std::vector<TensorSpec> inputs() const;
  TensorSpec output() const;
  TransposeOp fixed(const DimValues& values) const;
  TransposeOp withRuntimeDims() const;
  double flops() const { return 0; }
};

}  // namespace quern
