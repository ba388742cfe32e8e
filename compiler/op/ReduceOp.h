// compiler/op/ReduceOp.h — sum, mean, max, min, product along one axis or several.
#pragma once

#include "compiler/op/OpCommon.h"

namespace quern {

enum class ReduceFn : uint8_t { Sum, Mean, Max, Min, Prod };

/// out = f over `axes` of x; they disappear, with keepdims=1 they stay as dimensions of 1
///
/// Shapes   any; of a scalar axis=all. Sum over nothing is 0, product 1, mean NaN; max and min want at least one element.
/// Layout   dense row-major.
/// Numeric  fixed order (loops/RowReduce.h): the same bits for any schedule and thread count. sum, mean of zero-mean
///          data: err <= 4 eps sum|x|. max and min exact, NaN if any element is. prod of n: err <= n u |out|, and n 2^-149 times the
///          product of those above 1; where that product is above 2^127, or an Inf meets what vanishes, anything.
/// Order    neighbouring axes (all kept ones between them 1) are one, whose elements are in row-major order. Others: where the last axis is
///          reduced, rows of what is last, which add up as blocks do; where it is kept, as one axis of all that is reduced.
struct ReduceOp {
  static constexpr std::string_view kName = "reduce";
  static constexpr OpClass kClass = OpClass::RowWise;

  Shape x;
  std::vector<int> axes;  ///< as they were given; empty: all
  ReduceFn fn = ReduceFn::Sum;
  bool keepDims = false;

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

  /// Of each dimension of x, whether it is reduced.
  std::vector<bool> reduced() const;
  /// Of the last axes, all that is reduced, or the last one; kAny where it is known only at call time.
  int64_t rowLength() const;

private:
  std::string axesText() const;
};

}  // namespace quern
