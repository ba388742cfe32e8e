// compiler/op/EmbeddingOp.h — rows of a table by id.
#pragma once

#include "compiler/op/OpCommon.h"

namespace quern {

/// out[i...] = table[ids[i...]]
///
/// Shapes   ids of i32 have the shape t, table [v,d], out t's dimensions and d. An id below 0 counts from the end: every one must be in
///          [-v, v), which the caller checks (eval does).
/// Layout   dense row-major. Numeric: exact copies.
struct EmbeddingOp {
  static constexpr std::string_view kName = "embedding";
  static constexpr OpClass kClass = OpClass::Movement;

  Shape t;
  Dim v, d;

  static OpDoc doc();
  static EmbeddingOp read(KeyReader& reader);
  static void fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes);
  KeyValues write() const;
  Result<void> validate() const;
  std::vector<TensorSpec> inputs() const;
  TensorSpec output() const;
  EmbeddingOp fixed(const DimValues& values) const;
  EmbeddingOp withRuntimeDims() const;
  double flops() const { return 0; }
  /// How many are looked up; all of t must be known.
  int64_t rows() const;
  int64_t rowLength() const { return d.value; }
  /// Of the table: only the rows asked for are read.
  double unreadBytes() const { return 4.0 * static_cast<double>(d.value) * static_cast<double>(v.value - rows()); }

private:
  std::vector<TensorDim> idDims() const;
};

}  // namespace quern
