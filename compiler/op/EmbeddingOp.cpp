// compiler/op/EmbeddingOp.cpp — see EmbeddingOp.h.
#include "compiler/op/EmbeddingOp.h"

#include <fmt/format.h>

namespace quern {

OpDoc EmbeddingOp::doc() {
  return {
      "t=SHAPE v= d= [bag=1]",
      "rows of table [v,d] by ids of the shape t (i32); ids below 0 count from the end; bag: the rows along t's last axis are added up, "
      "each times its weight",
      "ids (i32), table, weights (of t's shape) if bag=1"};
}

EmbeddingOp EmbeddingOp::read(KeyReader& reader) {
  EmbeddingOp op;
  op.t = takeShape(reader, "t");
  op.v = takeDim(reader, "v");
  op.d = takeDim(reader, "d");
  op.bag = reader.takeFlag("bag");
  return op;
}

void EmbeddingOp::fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes) {
  if (shapes.size() < 2 || shapes[1].size() != 2) return;
  if (keys.find("t") == nullptr) keys.set("t", shapeText(shapes[0]));
  if (keys.find("v") == nullptr) keys.set("v", std::to_string(shapes[1][0]));
  if (keys.find("d") == nullptr) keys.set("d", std::to_string(shapes[1][1]));
}

KeyValues EmbeddingOp::write() const {
  KeyValues out{std::string(kName), {}};
  out.set("t", text(t));
  out.set("v", text(v));
  out.set("d", text(d));
  if (bag) out.set("bag", "1");
  return out;
}

Result<void> EmbeddingOp::validate() const {
  if (auto good = checkShape("embedding: the table", {v, d}); !good) return good;
  if (t.size() >= kMaxRank)
    return badCommand(fmt::format("embedding: t={} has {} dimensions, at most {} are", text(t), t.size(), kMaxRank - 1));
  bool bagged = !t.empty() && !t.back().any() && t.back().value >= 1 && t.back().value <= kMostBag;
  if (bag && !bagged)
    return badCommand(fmt::format("embedding: bag=1 with t={}, whose last dimension must be known, 1 to {}", text(t), kMostBag));
  Shape result = t;
  result.push_back(d);
  return checkShape("embedding: the result", result);
}

/// t, or t0, t1, ...
std::vector<TensorDim> EmbeddingOp::idDims() const {
  std::vector<TensorDim> dims;
  for (size_t i = 0; i < t.size(); ++i) dims.push_back({t.size() == 1 ? "t" : fmt::format("t{}", i), t[i].value});
  return dims;
}

int64_t EmbeddingOp::rows() const { return TensorSpec{"ids", ElementType::I32, idDims(), false}.elements(); }

std::vector<TensorSpec> EmbeddingOp::inputs() const {
  std::vector<TensorSpec> specs = {{"ids", ElementType::I32, idDims(), false, {-v.value, v.value}},
                                   {"table", ElementType::F32, {{"v", v.value}, {"d", d.value}}, false}};
  if (bag) specs.push_back({"weights", ElementType::F32, idDims(), false});
  return specs;
}

TensorSpec EmbeddingOp::output() const {
  TensorSpec out{"out", ElementType::F32, idDims(), false};
  if (bag) out.dims.pop_back();
  out.dims.push_back({"d", d.value});
  return out;
}

EmbeddingOp EmbeddingOp::fixed(const DimValues& values) const {
  Shape ids;
  for (const TensorDim& dim : idDims()) ids.push_back(fixedDim({dim.value}, dim.name, values));
  return {ids, fixedDim(v, "v", values), fixedDim(d, "d", values), bag};
}

EmbeddingOp EmbeddingOp::withRuntimeDims() const {
  Shape ids = runtimeShape(t);
  if (bag) ids.back() = t.back();
  return {ids, {Dim::kAny}, {Dim::kAny}, bag};
}

}  // namespace quern
