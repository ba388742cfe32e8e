// compiler/op/Tensor.h — dimensions, shapes and the tensors an op takes and gives.
#pragma once

#include "compiler/base/Keys.h"
#include "compiler/op/ElementType.h"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// An element count, or "known only at call time" (written `*` or `any`).
struct Dim {
  static constexpr int64_t kAny = -1;
  int64_t value = 0;

  bool any() const { return value == kAny; }
  bool operator==(const Dim&) const = default;
};

using Shape = std::vector<Dim>;

/// A dimension of a tensor: the name it is bound by (`m`, `d0`, `kv`) and its value.
struct TensorDim {
  std::string name;
  int64_t value = 0;  ///< Dim::kAny where it is known only at call time

  bool any() const { return value == Dim::kAny; }
};

/// Whole numbers from `least` on, below `below`.
struct WholeRange {
  int64_t least = 0, below = 0;
  bool operator==(const WholeRange&) const = default;
};

/// One operand of an op, row-major, in the order `eval` takes them.
struct TensorSpec {
  std::string name;
  ElementType type = ElementType::F32;
  std::vector<TensorDim> dims;
  bool weight = false;    ///< constant between calls: may be packed once
  WholeRange whole = {};  ///< of i32: what its values may be; sizes must be known

  /// Product of the dimensions; all must be known.
  int64_t elements() const;
  /// The dimensions as numbers; all must be known.
  std::vector<int64_t> extents() const;
};

/// Errors   BadInput: the first of an operand's whole numbers that is outside its range.
Result<void> checkWhole(const TensorSpec& spec, std::span<const int32_t> values);

/// Values of run-time dimensions by name.
using DimValues = std::map<std::string, int64_t, std::less<>>;

std::string text(Dim dim);
std::string text(const Shape& shape);  ///< "64x768", "*x768", "scalar" for rank 0
std::string shapeText(std::span<const int64_t> shape);

/// Largest rank and largest element count (all dimensions multiplied) that an operand may have.
inline constexpr size_t kMaxRank = 8;
inline constexpr int64_t kMaxElements = int64_t{1} << 48;

/// Reads `key` as a dimension or a shape; notes an error in `reader` and returns something harmless where it is wrong.
Dim takeDim(KeyReader& reader, std::string_view key, std::optional<Dim> fallback = {});
Shape takeShape(KeyReader& reader, std::string_view key);

/// `dim` with a run-time dimension replaced by its value.
Dim fixedDim(Dim dim, std::string_view name, const DimValues& values);

/// Dimensions d0, d1, ... of a tensor whose shape is the op's own.
std::vector<TensorDim> shapeDims(const Shape& shape);
/// Every dimension known only at call time.
Shape runtimeShape(const Shape& shape);
Shape fixedShape(const Shape& shape, const DimValues& values);

/// The shape that both have in common where dimensions of length one repeat, aligned at the last; nothing where they do not go together.
std::optional<Shape> broadcastOf(const Shape& a, const Shape& b);

/// An error where a dimension is negative or the product overflows kMaxElements.
Result<void> checkShape(std::string_view what, const Shape& shape);

}  // namespace quern
