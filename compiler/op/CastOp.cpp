// compiler/op/CastOp.cpp — see CastOp.h.
#include "compiler/op/CastOp.h"

#include <fmt/format.h>

namespace quern {

OpDoc CastOp::doc() {
  return {"x=SHAPE [from=f32|f16|bf16] [to=f32|f16|bf16|q8_0]", "x in another type, to nearest even; of the same type: a copy", "x"};
}

CastOp CastOp::read(KeyReader& reader) {
  CastOp op;
  op.x = takeShape(reader, "x");
  op.from = takeFloatType(reader, "from");
  op.to = takeKeptType(reader, "to");
  return op;
}

void CastOp::fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes) { fillX(keys, shapes); }

KeyValues CastOp::write() const {
  KeyValues out{std::string(kName), {}};
  out.set("x", text(x));
  if (from != ElementType::F32) out.set("from", std::string(text(from)));
  if (to != ElementType::F32) out.set("to", std::string(text(to)));
  return out;
}

Result<void> CastOp::validate() const {
  if (x.empty()) return badCommand("cast: x=scalar; a shape of one dimension or more is needed");
  if (auto good = checkBlocks("cast", fmt::format("x={}", text(x)), "to", to, x.back()); !good) return good;
  return checkShape("cast: x", x);
}

std::vector<TensorSpec> CastOp::inputs() const { return {{"x", from, shapeDims(x), false}}; }

TensorSpec CastOp::output() const { return {"out", to, shapeDims(x), false}; }

CastOp CastOp::fixed(const DimValues& values) const { return {fixedShape(x, values), from, to}; }

CastOp CastOp::withRuntimeDims() const {
  CastOp op{runtimeShape(x), from, to};
  if (isQuantised(to)) op.x.back() = x.back();
  return op;
}

}  // namespace quern
