// compiler/op/CastOp.h — numbers in another type, or the same ones somewhere else.
#pragma once

#include "compiler/op/OpCommon.h"

namespace quern {

/// out = x in the type `to`
///
/// Shapes   any, a scalar too; the last axis known only at call time too. to=q8_0: it is known, and whole blocks of 32.
/// Layout   leading strides on both sides: rows may be part of longer ones. to=q8_0: of whole blocks, which lie as in a file.
/// Numeric  one result on every machine, rounded once:
///            to f32, f16, bf16, f64   to nearest even, exact where `to` holds it, Inf beyond its ends; NaN stays NaN
///            floats to whole          toward 0; beyond the ends of `to` those, Inf too; NaN is 0
///            whole to whole           the low bits: modulo 2^bits of `to`, as NumPy has it
///            to bool                  x != 0, as a byte of 0 or 1; NaN is true
///            from bool                any byte but 0 is 1
///          to=q8_0: as f32 first, then keptBlock of BlockValues.h; a NaN or Inf makes NaN of the 32 elements of its block, of no other.
struct CastOp {
  static constexpr std::string_view kName = "cast";
  static constexpr OpClass kClass = OpClass::Movement;

  Shape x = {Dim{1}};
  ElementType from = ElementType::F32, to = ElementType::F32;

  static OpDoc doc();
  static CastOp read(KeyReader& reader);
  static void fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes);
  /// from= of the array, where it is missing and the array's type is one of numbers.
  static void fillFromTypes(KeyValues& keys, std::span<const ElementType> types);
  KeyValues write() const;
  Result<void> validate() const;
  std::vector<TensorSpec> inputs() const;
  TensorSpec output() const;
  CastOp fixed(const DimValues& values) const;
  CastOp withRuntimeDims() const;
  double flops() const { return 0; }
};

}  // namespace quern
