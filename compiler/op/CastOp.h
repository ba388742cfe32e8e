// compiler/op/CastOp.h — numbers in another type, or the same ones somewhere else.
#pragma once

#include "compiler/op/OpCommon.h"

namespace quern {

/// out = x in the type `to`
///
/// Shapes   any but a scalar; the last axis known only at call time too. to=q8_0: it is known, and whole blocks of 32.
/// Layout   leading strides on both sides: rows may be part of longer ones. to=q8_0: of whole blocks, which lie as in a file.
/// Numeric  to nearest even, exact where `to` holds it; NaN stays NaN. to=q8_0: keptBlock of BlockValues.h; a NaN or Inf makes NaN of the
///          32 elements of its block, and of no other.
struct CastOp {
  static constexpr std::string_view kName = "cast";
  static constexpr OpClass kClass = OpClass::Movement;

  Shape x = {Dim{1}};
  ElementType from = ElementType::F32, to = ElementType::F32;

  static OpDoc doc();
  static CastOp read(KeyReader& reader);
  static void fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes);
  KeyValues write() const;
  Result<void> validate() const;
  std::vector<TensorSpec> inputs() const;
  TensorSpec output() const;
  CastOp fixed(const DimValues& values) const;
  CastOp withRuntimeDims() const;
  double flops() const { return 0; }
};

}  // namespace quern
