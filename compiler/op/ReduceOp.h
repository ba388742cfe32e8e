// compiler/op/ReduceOp.h — sum, mean, max, min along one axis.
#pragma once

#include "compiler/op/OpCommon.h"

namespace quern {

enum class ReduceFn : uint8_t { Sum, Mean, Max, Min };

/// out = f over `axis` of x; the axis disappears
///
/// Shapes   any rank >= 1. Sum over nothing is 0, mean over nothing NaN; max and min want at least one element.
/// Layout   dense row-major.
/// Numeric  fixed order (loops/RowReduce.h): the same bits for any schedule and thread count. sum, mean of zero-mean
///          data: err <= 4 eps sum|x|. max and min exact, NaN if any element is.
struct ReduceOp {
  static constexpr std::string_view kName = "reduce";
  static constexpr OpClass kClass = OpClass::RowWise;

  Shape x;
  int axis = -1;
  ReduceFn fn = ReduceFn::Sum;

  static OpDoc doc();
  static ReduceOp read(KeyReader& reader);
  static void fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes);
  KeyValues write() const;
  Result<void> validate() const;
  std::vector<TensorSpec> inputs() const;
  TensorSpec output() const;
  ReduceOp fixed(const DimValues& values) const;
  ReduceOp withRuntimeDims() const;
  double flops() const;

  size_t axisIndex() const { return axisOf(axis, x.size()); }
};

}  // namespace quern
