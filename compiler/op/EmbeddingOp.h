// compiler/op/EmbeddingOp.h — rows of a table by id.
#pragma once

#include "compiler/op/OpCommon.h"

namespace quern {

/// out[i] = table[ids[i]]
///
/// Shapes   ids [t] of i32, table [v,d], out [t,d]. Every id must be in [0, v): the caller checks (eval and the runtime do).
/// Layout   dense row-major. Numeric: exact copies.
struct EmbeddingOp {
  static constexpr std::string_view kName = "embedding";
  static constexpr OpClass kClass = OpClass::Movement;

  Dim t, v, d;

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
  int64_t i32Below() const { return v.value; }
  /// Of the table: only the rows asked for are read.
  double unreadBytes() const { return 4.0 * static_cast<double>(d.value) * static_cast<double>(v.value - t.value); }
};

}  // namespace quern
