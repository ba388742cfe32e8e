// compiler/op/CastOp.cpp — see CastOp.h.
#include "compiler/op/CastOp.h"

#include <fmt/format.h>

namespace quern {

OpDoc CastOp::doc() {
  return {"x=SHAPE [from=TYPE] [to=TYPE|q8_0]",
          "x in another type (f32 f16 bf16 f64 i8 u8 i16 u16 i32 u32 i64 u64 bool): to nearest even, to whole numbers toward 0", "x"};
}

CastOp CastOp::read(KeyReader& reader) {
  CastOp op;
  op.x = takeShape(reader, "x");
  op.from = takeNumberType(reader, "from", {});
  op.to = takeNumberType(reader, "to", {ElementType::Q8_0});
  return op;
}

void CastOp::fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes) { fillX(keys, shapes); }

void CastOp::fillFromTypes(KeyValues& keys, std::span<const ElementType> types) {
  if (!types.empty() && !isQuantised(types[0]) && keys.find("from") == nullptr) keys.set("from", std::string(text(types[0])));
}

KeyValues CastOp::write() const {
  KeyValues out{std::string(kName), {}};
  out.set("x", text(x));
  if (from != ElementType::F32) out.set("from", std::string(text(from)));
  if (to != ElementType::F32) out.set("to", std::string(text(to)));
  return out;
}

Result<void> CastOp::validate() const {
  if (auto good = checkBlocks("cast", fmt::format("x={}", text(x)), "to", to, x.empty() ? Dim{1} : x.back()); !good) return good;
  return checkShape("cast: x", x);
}

std::vector<TensorSpec> CastOp::inputs() const {
  constexpr WholeRange kAll = {INT32_MIN, int64_t{INT32_MAX} + 1};
  return {{"x", from, shapeDims(x), false, from == ElementType::I32 ? kAll : WholeRange{}}};
}

TensorSpec CastOp::output() const { return {"out", to, shapeDims(x), false}; }

CastOp CastOp::fixed(const DimValues& values) const { return {fixedShape(x, values), from, to}; }

CastOp CastOp::withRuntimeDims() const {
  CastOp op{runtimeShape(x), from, to};
  if (isQuantised(to)) op.x.back() = x.back();
  return op;
}

}  // namespace quern
