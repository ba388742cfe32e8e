// compiler/op/MatmulShapes.cpp — MatmulOp: the axes of its arrays, and those keys that arrays say. What it computes: MatmulOp.h.
#include "compiler/op/MatmulOp.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

int64_t MatmulOp::countOf(const Shape& axes) {
  int64_t count = 1;
  for (Dim dim : axes) count *= dim.value;
  return count;
}

/// Axes before the last two (none of an array of one axis).
static Shape leadingOf(const std::vector<int64_t>& array) {
  Shape leading;
  for (size_t i = 0; i + 2 < array.size(); ++i) leading.push_back({array[i]});
  return leading;
}

/// Axes as `batch`, where it is said, leaves them open.
static Shape openAs(const std::string* batch, Shape axes) {
  if (batch == nullptr) return axes;
  std::vector<std::string> words = split(*batch, 'x');
  for (size_t i = 0; i < std::min(words.size(), axes.size()); ++i) {
    const std::string& word = words[words.size() - 1 - i];
    Dim& dim = axes[axes.size() - 1 - i];
    if ((word == "*" || word == "any") && dim != Dim{1}) dim = {Dim::kAny};
  }
  return axes;
}

/// batch and, where an operand has not all of it, batch_a and batch_b. Axes that do not broadcast are left to validate and bindDims.
static void fillBatch(KeyValues& keys, const Shape& a, const Shape& b) {
  auto fill = [&](const char* key, const Shape& axes) {
    if (keys.find(key) == nullptr) keys.set(key, text(axes));
  };
  auto both = broadcastOf(a, b);
  const Shape& full = both ? *both : a.size() < b.size() ? b : a;
  if (full.empty())  // a batch of one may be said of arrays without the axis
    std::erase_if(keys.pairs, [](const auto& pair) { return pair.first == "batch" && pair.second == "1"; });
  else fill("batch", full);
  if (!both && a.size() == b.size()) return;
  if (a != full) fill("batch_a", openAs(keys.find("batch"), a));
  if (b != full) fill("batch_b", openAs(keys.find("batch"), b));
}

void MatmulOp::fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes) {
  auto flag = [&](std::string_view key) { return keys.find(key) != nullptr && *keys.find(key) == "1"; };
  auto fill = [&](const char* key, const std::string& value) {
    if (keys.find(key) == nullptr) keys.set(key, value);
  };
  if (shapes.size() < 2 || shapes[0].empty() || shapes[1].empty()) return;
  const std::vector<int64_t>&a = shapes[0], &b = shapes[1];
  bool vectorA = a.size() == 1, vectorB = b.size() == 1;
  if (vectorA || vectorB) fill("vector", !vectorA ? "b" : vectorB ? "ab" : "a");
  // What a vector has none of needs no key.
  Shape leadingA = leadingOf(a), leadingB = leadingOf(b);
  fillBatch(keys, vectorA ? leadingB : leadingA, vectorB ? leadingA : leadingB);
  fill("m", std::to_string(vectorA ? 1 : a[a.size() - (flag("ta") ? 1 : 2)]));
  fill("n", std::to_string(vectorB ? 1 : b[b.size() - (flag("tb") ? 2 : 1)]));
  fill("k", std::to_string(a[a.size() - (flag("ta") && !vectorA ? 2 : 1)]));
}

std::vector<TensorDim> MatmulOp::axesOf(const Shape& own) const {
  std::vector<TensorDim> axes;
  for (size_t i = 0; i < own.size(); ++i) {
    size_t at = batch.size() - own.size() + i;
    bool stands = own[i] == Dim{1} && batch[at] != Dim{1};
    axes.push_back(stands ? TensorDim{"one", 1} : TensorDim{batch.size() == 1 ? "batch" : fmt::format("batch{}", at), batch[at].value});
  }
  return axes;
}

TensorSpec MatmulOp::leading(std::string name, const Shape& own, std::vector<TensorDim> rest) const {
  TensorSpec spec{std::move(name), ElementType::F32, axesOf(own), false};
  spec.dims.insert(spec.dims.end(), rest.begin(), rest.end());
  return spec;
}

TensorSpec MatmulOp::likeC(std::string name) const {
  std::vector<TensorDim> rest;
  if (!vectorA) rest.push_back({"m", m.value});
  if (!vectorB) rest.push_back({"n", n.value});
  return leading(std::move(name), batch, rest);
}

Shape MatmulOp::shapeOfC() const {
  Shape shape;
  for (const TensorDim& dim : likeC("C").dims) shape.push_back({dim.value});
  return shape;
}

std::vector<TensorSpec> MatmulOp::inputs() const {
  TensorDim rows{"m", m.value}, columns{"n", n.value}, depth{"k", k.value};
  auto axes = [](bool vector, bool turned, const TensorDim& first, const TensorDim& second, const TensorDim& only) {
    if (vector) return std::vector<TensorDim>{only};
    return turned ? std::vector<TensorDim>{second, first} : std::vector<TensorDim>{first, second};
  };
  std::vector<TensorSpec> specs;
  specs.push_back(leading("A", batchA, axes(vectorA, ta, rows, depth, depth)));
  specs.back().type = in;
  specs.push_back(leading("B", batchB, axes(vectorB, tb, depth, columns, depth)));
  specs.back().weight = constB;
  specs.back().type = w;
  if (a == RoundedTo::I8) specs.push_back(leading(std::string(kScales), batchB, {columns}));
  if (acc) specs.push_back(likeC("C"));
  if (ep == nullptr) return specs;
  std::vector<TensorDim> full = likeC("C").dims;
  for (const std::string& name : operandsOf(*ep)) {
    if (name == "bias") specs.push_back({name, ElementType::F32, {columns}, false});
    if (name == "residual") specs.push_back(likeC(name));
    for (const auto& [own, shape] : operandShapes) {
      if (own != name) continue;
      TensorSpec spec{name, ElementType::F32, {}, false};
      for (size_t i = 0; i < shape.size(); ++i) {
        const TensorDim& dim = full[full.size() - shape.size() + i];
        spec.dims.push_back(shape[i] == Dim{1} ? TensorDim{"one", 1} : dim);
      }
      specs.push_back(spec);
    }
  }
  return specs;
}

TensorSpec MatmulOp::output() const {
  TensorSpec spec = likeC("C");
  spec.type = out;
  return spec;
}

TensorSpec MatmulOp::asMatrix(TensorSpec spec) const {
  std::vector<TensorDim>& dims = spec.dims;
  const TensorDim one{"one", 1};
  if (spec.name == "bias" || (a == RoundedTo::I8 && spec.name == kScales)) return spec;
  if (spec.name == "A" || spec.name == "B") {
    if (spec.name == "A" && vectorA) dims.insert(ta ? dims.end() : dims.begin(), one);
    if (spec.name == "B" && vectorB) dims.insert(tb ? dims.begin() : dims.end(), one);
    return spec;
  }
  if (dims.empty() && spec.name != "C") return spec;
  if (vectorA) dims.insert(dims.end() - (vectorB ? 0 : 1), one);
  if (vectorB) dims.push_back(one);
  return spec;
}

MatmulOp MatmulOp::fixed(const DimValues& values) const {
  MatmulOp op = *this;
  op.m = fixedDim(m, "m", values);
  op.n = fixedDim(n, "n", values);
  op.k = fixedDim(k, "k", values);
  std::vector<TensorDim> axes = axesOf(batch);
  for (size_t i = 0; i < axes.size(); ++i) op.batch[i] = fixedDim(batch[i], axes[i].name, values);
  auto fix = [](Shape& shape, const Shape& full) {
    for (size_t i = 0; i < shape.size(); ++i)
      if (shape[i].any()) shape[i] = full[full.size() - shape.size() + i];
  };
  fix(op.batchA, op.batch);
  fix(op.batchB, op.batch);
  for (auto& [name, shape] : op.operandShapes) fix(shape, op.shapeOfC());
  return op;
}

MatmulOp MatmulOp::withRuntimeDims() const {
  MatmulOp op = *this;
  if (!vectorA) op.m = {Dim::kAny};
  if (!constB) op.k = {Dim::kAny};
  if (!constB && !vectorB) op.n = {Dim::kAny};
  Shape full = op.shapeOfC();
  for (auto& [name, shape] : op.operandShapes)
    for (size_t i = 0; i < shape.size(); ++i)
      if (shape[i] != Dim{1}) shape[i] = full[full.size() - shape.size() + i];
  return op;
}

std::optional<MatmulOp> MatmulOp::asOneProduct() const {
  auto stands = [](Dim dim) { return dim == Dim{1}; };
  if (batchA != batch || batchB == batch || ta || !std::all_of(batchB.begin(), batchB.end(), stands)) return std::nullopt;
  MatmulOp op = *this;
  Shape full = shapeOfC();
  bool known = !m.any() && std::none_of(batch.begin(), batch.end(), [](Dim dim) { return dim.any(); });
  op.m = {known ? m.value * batches() : Dim::kAny};
  op.batch = op.batchA = op.batchB = {};
  for (auto& [name, shape] : op.operandShapes) {
    bool whole = shape == full, columns = !vectorB && std::all_of(shape.begin(), shape.end() - (shape.empty() ? 0 : 1), stands);
    if (whole) shape = op.shapeOfC();
    else if (columns) shape.erase(shape.begin(), shape.end() - (shape.empty() ? 0 : 1));
    else if (std::all_of(shape.begin(), shape.end(), stands)) shape.clear();
    else return std::nullopt;
  }
  return op;
}

}  // namespace quern
