// compiler/op/EmbeddingOp.h — rows of a table by id.
#pragma once

#include "compiler/op/OpCommon.h"

namespace quern {

/// out[i...] = table[ids[i...]]; bag=1: out[i...] = sum over j of weights[i...,j] table[ids[i...,j]]
///
/// Shapes   ids of i32 have the shape t, table [v,d], out t's dimensions and d. With bag=1 t's last dimension, the bag, is known, 1 to
///          kMostBag, and not in out; weights have the shape t. An id below 0 counts from the end: every one must be in
///          [-v, v), which the caller checks (eval does).
/// Layout   dense row-major. Numeric: exact copies; with bag=1 one chain of FMAs over ascending j from +0, err <= bag eps sum |weight x|.
struct EmbeddingOp {
  static constexpr std::string_view kName = "embedding";
  static constexpr OpClass kClass = OpClass::Movement;

  Shape t;
  Dim v, d;
  bool bag = false;
  static constexpr int64_t kMostBag = 256;

  /// Rows that a result's row is made of.
  int64_t bagSize() const { return bag ? t.back().value : 1; }
  static OpDoc doc();
  static EmbeddingOp read(KeyReader& reader);
  static void fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes);
  KeyValues write() const;
  Result<void> validate() const;
  std::vector<TensorSpec> inputs() const;
  TensorSpec output() const;
  EmbeddingOp fixed(const DimValues& values) const;
  EmbeddingOp withRuntimeDims() const;
  double flops() const { return bag ? 2 * static_cast<double>(rows() * d.value) : 0; }
  /// How many are looked up; all of t must be known.
  int64_t rows() const;
  int64_t rowLength() const { return d.value; }
  /// Of the table: only the rows asked for are read.
  double unreadBytes() const { return 4.0 * static_cast<double>(d.value) * static_cast<double>(v.value - rows()); }

private:
  std::vector<TensorDim> idDims() const;
};

}  // namespace quern
