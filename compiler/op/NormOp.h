// compiler/op/NormOp.h — layernorm and rmsnorm over the last axis, or the last ones.
#pragma once

#include "compiler/op/OpCommon.h"

namespace quern {

/// What the two norms share: the shape, what of it is normalised over, and eps.
struct NormShape {
  Shape x;
  float eps = 1e-5f;
  bool residual = false;               ///< normalises x + residual
  ElementType out = ElementType::F32;  ///< what the result is handed on as: or BF16, Q8
  int axis = -1;                       ///< normalised over all axes from this one to the last, as it was given

  void read(KeyReader& reader);
  void write(KeyValues& keys) const;
  Result<void> validate(std::string_view op) const;
  /// The first of the axes that are normalised over.
  size_t firstAxis() const { return axisOf(axis, x.size()); }
  /// Elements that are normalised together.
  int64_t width() const;
  /// Whether rows have leading strides: heads, of which each is normalised by itself, may be part of longer rows.
  bool strided() const { return x.size() >= 3 && firstAxis() + 1 == x.size(); }
  /// A gain or a bias: the axes that are normalised over.
  TensorSpec perElement(std::string name) const;
  /// x, and residual where there is one.
  std::vector<TensorSpec> rows() const;
  /// All of x, its last dimension named `width`.
  TensorSpec tensor(std::string name) const;
  /// The output.
  TensorSpec result() const;
  NormShape fixed(const DimValues& values) const;
  NormShape withRuntimeDims() const;
};

/// out = (x - mean) rstd g + b, rstd = 1 / sqrt(variance + eps), over the axes from `axis` to the last, as one; bias=0: without b;
/// residual=1: x + residual in place of x
///
/// Shapes   x any rank >= 1, its dimensions from `axis` on (the normalised width) known and > 0; g, b: those dimensions.
/// Layout   dense row-major; with three axes or more and axis=-1 x, residual and an f32 result with leading strides. out=bf16|q8: the
///          result is handed on so, rounded (ElementType.h; q8: a width of whole blocks).
/// Numeric  two passes (never E[x^2] - E[x]^2); err <= 16 eps (|g| rstd (|x| + |mean|) + |b|); with
///          residual=1 x is the rounded sum x + residual, with bias=0 |mean| is the mean of |x|. Squares that overflow make their row b
///          (layernorm) or 0 (rmsnorm).
struct LayerNormOp {
  static constexpr std::string_view kName = "layernorm";
  static constexpr OpClass kClass = OpClass::RowWise;
  NormShape shape;
  bool bias = true;

  static OpDoc doc();
  static LayerNormOp read(KeyReader& reader);
  static void fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes);
  KeyValues write() const;
  Result<void> validate() const;
  std::vector<TensorSpec> inputs() const;
  TensorSpec output() const;
  LayerNormOp fixed(const DimValues& values) const;
  LayerNormOp withRuntimeDims() const;
  double flops() const;
  int64_t rowLength() const { return shape.width(); }
};

/// out = x g / sqrt(mean of x^2 + eps), over the axes from `axis` to the last. Shapes, layout, limits as layernorm's with mean and b zero.
struct RmsNormOp {
  static constexpr std::string_view kName = "rmsnorm";
  static constexpr OpClass kClass = OpClass::RowWise;
  NormShape shape;

  static OpDoc doc();
  static RmsNormOp read(KeyReader& reader);
  static void fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes);
  KeyValues write() const;
  Result<void> validate() const;
  std::vector<TensorSpec> inputs() const;
  TensorSpec output() const;
  RmsNormOp fixed(const DimValues& values) const;
  RmsNormOp withRuntimeDims() const;
  double flops() const;
  int64_t rowLength() const { return shape.width(); }
};

}  // namespace quern
