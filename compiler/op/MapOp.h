// compiler/op/MapOp.h — elementwise expressions over broadcast operands; `add`, `gelu` ... are spellings of it.
#pragma once

#include "compiler/op/OpCommon.h"
#include "compiler/op/ScalarExpr.h"

namespace quern {

/// out = expr(a, b, ...), operands broadcast as NumPy does: shapes aligned at the last axis, 1 stretches
///
/// Shapes   any rank up to kMaxRank; a run-time dimension `*` is the same value for all operands that have it on that
///          output axis (1 stretches only where it is written).
/// Layout   every operand and the result dense row-major.
/// Numeric  each operator and function rounds once (nothing is contracted): + - * / sqrt abs neg max min 0 ULP.
/// Maths     maths=common: each function in the one form that all levels with fma have, so its bits are the same on them; without, in the
///           form that is quickest on the level.
/// In place  inplace=a writes the result over operand a, which has the result's shape; no other operand may overlap it.
/// Errors   validate(): shapes that do not broadcast, an operand without a shape, a shape without an operand.
struct MapOp {
  static constexpr std::string_view kName = "map";
  static constexpr OpClass kClass = OpClass::Pointwise;

  struct Operand {
    std::string name;
    Shape shape;
  };

  ScalarExprRef expr;
  std::vector<Operand> operands;  ///< in the order they first appear in expr
  std::string inPlace;            ///< the operand that the result replaces; empty: none
  bool commonMaths = false;       ///< functions in one form on all levels with fma

  static OpDoc doc();
  static MapOp read(KeyReader& reader);
  static void fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes);
  KeyValues write() const;
  Result<void> validate() const;
  std::vector<TensorSpec> inputs() const;
  TensorSpec output() const;
  MapOp fixed(const DimValues& values) const;
  MapOp withRuntimeDims() const;
  double flops() const;

  /// nullptr: no such operand.
  const Operand* operandNamed(std::string_view name) const;
  /// The broadcast shape; meaningful once validate() passed.
  Shape outputShape() const;
};

/// A name that stands for a map: `add a= b=`, `gelu x= form=`.
struct MapSpelling {
  std::string_view name;
  std::string_view keys;
  std::string_view meaning;
  std::string_view inputs;
};
const std::vector<MapSpelling>& mapSpellings();
bool isMapSpelling(std::string_view name);
/// Reads the keys of a spelling into the map it stands for.
MapOp readMapSpelling(std::string_view name, KeyReader& reader);
void fillSpellingFromShapes(std::string_view name, KeyValues& keys, std::span<const std::vector<int64_t>> shapes);
/// The spelling of this map, if it has one: what text() prints.
std::optional<KeyValues> spellingOf(const MapOp& op);

}  // namespace quern
