// compiler/op/EmbeddingOp.cpp — see EmbeddingOp.h.
#include "compiler/op/EmbeddingOp.h"

#include <fmt/format.h>

namespace quern {

OpDoc EmbeddingOp::doc() {
  return {"t=SHAPE v= d=", "rows of table [v,d] by ids of the shape t (i32); ids below 0 count from the end", "ids (i32), table"};
}

EmbeddingOp EmbeddingOp::read(KeyReader& reader) { return {takeShape(reader, "t"), takeDim(reader, "v"), takeDim(reader, "d")}; }

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
  return out;
}

Result<void> EmbeddingOp::validate() const {
  if (auto good = checkShape("embedding: the table", {v, d}); !good) return good;
  if (t.size() >= kMaxRank)
    return badCommand(fmt::format("embedding: t={} has {} dimensions, at most {} are", text(t), t.size(), kMaxRank - 1));
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

int64_t EmbeddingOp::rows() const { return inputs()[0].elements(); }

std::vector<TensorSpec> EmbeddingOp::inputs() const {
  return {{"ids", ElementType::I32, idDims(), false, {-v.value, v.value}},
          {"table", ElementType::F32, {{"v", v.value}, {"d", d.value}}, false}};
}

TensorSpec EmbeddingOp::output() const {
  TensorSpec out{"out", ElementType::F32, idDims(), false};
  out.dims.push_back({"d", d.value});
  return out;
}

EmbeddingOp EmbeddingOp::fixed(const DimValues& values) const {
  Shape ids;
  for (const TensorDim& dim : idDims()) ids.push_back(fixedDim({dim.value}, dim.name, values));
  return {ids, fixedDim(v, "v", values), fixedDim(d, "d", values)};
}

EmbeddingOp EmbeddingOp::withRuntimeDims() const { return {runtimeShape(t), {Dim::kAny}, {Dim::kAny}}; }

}  // namespace quern
