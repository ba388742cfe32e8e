// compiler/op/Tensor.cpp — see Tensor.h.
#include "compiler/op/Tensor.h"

#include "compiler/base/Check.h"
#include "compiler/base/Checked.h"
#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

std::vector<int64_t> TensorSpec::extents() const {
  std::vector<int64_t> extents;
  for (const TensorDim& dim : dims) extents.push_back(dim.value);
  return extents;
}

int64_t TensorSpec::elements() const {
  int64_t product = 1;
  for (const TensorDim& dim : dims) {
    QUERN_CHECK_FOR(!dim.any(), name);
    product *= dim.value;
  }
  return product;
}

Result<void> checkWhole(const TensorSpec& spec, std::span<const int32_t> values) {
  if (spec.whole.least <= INT32_MIN && spec.whole.below > INT32_MAX) return {};
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] < spec.whole.least || values[i] >= spec.whole.below)
      return badInput(fmt::format("element {} is {}, {} are {} to {}", i, values[i], spec.name, spec.whole.least, spec.whole.below - 1));
  return {};
}

std::string text(Dim dim) { return dim.any() ? "*" : std::to_string(dim.value); }

std::string text(const Shape& shape) {
  if (shape.empty()) return "scalar";
  std::string out;
  for (Dim dim : shape) out += (out.empty() ? "" : "x") + text(dim);
  return out;
}

std::string shapeText(std::span<const int64_t> shape) {
  Shape dims;
  for (int64_t value : shape) dims.push_back({value});
  return text(dims);
}

static std::optional<Dim> parseDim(std::string_view word) {
  if (word == "*" || word == "any") return Dim{Dim::kAny};
  auto value = parseInt(word);
  if (!value || *value < 0 || *value > kMaxElements) return std::nullopt;
  return Dim{*value};
}

Dim takeDim(KeyReader& reader, std::string_view key, std::optional<Dim> fallback) {
  auto word = reader.take(key);
  if (!word) {
    if (!fallback) reader.fail(fmt::format("{}= is missing", key));
    return fallback.value_or(Dim{1});
  }
  auto dim = parseDim(*word);
  if (!dim) reader.fail(fmt::format("{}={} is not a dimension; 0, 1, 2, ... or * are", key, escaped(*word)));
  return dim.value_or(Dim{1});
}

Shape takeShape(KeyReader& reader, std::string_view key) {
  auto word = reader.take(key);
  if (!word) {
    reader.fail(fmt::format("{}= is missing; a shape such as {}=16x128", key, key));
    return {Dim{1}};
  }
  Shape shape;
  if (*word == "scalar") return shape;
  for (const std::string& part : split(*word, 'x')) {
    auto dim = parseDim(part);
    if (!dim) {
      reader.fail(fmt::format("{}={} is not a shape; dimensions with x between, such as 16x128 or *x768", key, escaped(*word)));
      return {Dim{1}};
    }
    shape.push_back(*dim);
  }
  if (shape.size() > kMaxRank) reader.fail(fmt::format("{}={} has {} dimensions; at most {}", key, escaped(*word), shape.size(), kMaxRank));
  return shape;
}

Dim fixedDim(Dim dim, std::string_view name, const DimValues& values) {
  if (!dim.any()) return dim;
  auto found = values.find(name);
  QUERN_CHECK_FOR(found != values.end(), std::string(name));
  return {found->second};
}

std::vector<TensorDim> shapeDims(const Shape& shape) {
  std::vector<TensorDim> dims;
  for (size_t i = 0; i < shape.size(); ++i) dims.push_back({fmt::format("d{}", i), shape[i].value});
  return dims;
}

Shape fixedShape(const Shape& shape, const DimValues& values) {
  Shape out;
  for (size_t i = 0; i < shape.size(); ++i) out.push_back(fixedDim(shape[i], fmt::format("d{}", i), values));
  return out;
}

std::optional<Shape> broadcastOf(const Shape& a, const Shape& b) {
  Shape out = a.size() < b.size() ? b : a;
  const Shape& shorter = a.size() < b.size() ? a : b;
  for (size_t i = 0; i < shorter.size(); ++i) {
    Dim &left = out[out.size() - shorter.size() + i], right = shorter[i];
    if (left == Dim{1}) left = right;
    else if (right != Dim{1} && right != left) return std::nullopt;
  }
  return out;
}

Result<void> checkShape(std::string_view what, const Shape& shape) {
  int64_t product = 1;
  for (Dim dim : shape) {
    if (dim.any() || dim.value == 0) continue;
    auto next = checkedMul(product, dim.value);
    if (!next || *next > kMaxElements) return badCommand(fmt::format("{}: {} has more than {} elements", what, text(shape), kMaxElements));
    product = *next;
  }
  return {};
}

Shape runtimeShape(const Shape& shape) { return Shape(shape.size(), Dim{Dim::kAny}); }

}  // namespace quern
