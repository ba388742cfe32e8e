// compiler/op/EmbeddingOp.cpp — see EmbeddingOp.h.
#include "compiler/op/EmbeddingOp.h"

namespace quern {

OpDoc EmbeddingOp::doc() { return {"t= v= d=", "rows of table [v,d] by ids [t] (i32)", "ids (i32), table"}; }

EmbeddingOp EmbeddingOp::read(KeyReader& reader) { return {takeDim(reader, "t"), takeDim(reader, "v"), takeDim(reader, "d")}; }

void EmbeddingOp::fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes) {
  if (shapes.size() < 2 || shapes[0].empty() || shapes[1].size() != 2) return;
  if (keys.find("t") == nullptr) keys.set("t", std::to_string(shapes[0][0]));
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
  return checkShape("embedding: the result", {t, d});
}

std::vector<TensorSpec> EmbeddingOp::inputs() const {
  return {{"ids", ElementType::I32, {{"t", t.value}}, false, true}, {"table", ElementType::F32, {{"v", v.value}, {"d", d.value}}, false}};
}

TensorSpec EmbeddingOp::output() const { return {"out", ElementType::F32, {{"t", t.value}, {"d", d.value}}, false}; }

EmbeddingOp EmbeddingOp::fixed(const DimValues& values) const {
  return {fixedDim(t, "t", values), fixedDim(v, "v", values), fixedDim(d, "d", values)};
}

EmbeddingOp EmbeddingOp::withRuntimeDims() const { return {{Dim::kAny}, {Dim::kAny}, {Dim::kAny}}; }

}  // namespace quern
