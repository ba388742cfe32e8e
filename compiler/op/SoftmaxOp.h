// compiler/op/SoftmaxOp.h — softmax along one axis.
#pragma once

#include "compiler/op/OpCommon.h"

namespace quern {

/// out = exp(scale (x - max)) / sum exp(scale (x - max)) along `axis`
///
/// Shapes   any; causal wants rank >= 2 and the last axis: rows are the axis before it.
/// Layout   dense row-major.
/// Numeric  relative error <= (8 + |t|) eps + 2^-126, t = scale (x - max). A row with a NaN is NaN; a fully masked row
///          is zeros; masked columns are zeros and are not read.
struct SoftmaxOp {
  static constexpr std::string_view kName = "softmax";
  static constexpr OpClass kClass = OpClass::RowWise;

  Shape x;
  int axis = -1;
  float scale = 0;  ///< 0: not given, 1
  Causal causal = Causal::No;

  static OpDoc doc();
  static SoftmaxOp read(KeyReader& reader);
  static void fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes);
  KeyValues write() const;
  Result<void> validate() const;
  std::vector<TensorSpec> inputs() const;
  TensorSpec output() const;
  SoftmaxOp fixed(const DimValues& values) const;
  SoftmaxOp withRuntimeDims() const;
  double flops() const;

  size_t axisIndex() const { return axisOf(axis, x.size()); }
  float factor() const { return scale == 0 ? 1.0f : scale; }
};

}  // namespace quern
