// compiler/op/RopeOp.cpp — see RopeOp.h.
#include "compiler/op/RopeOp.h"

#include <fmt/format.h>

namespace quern {

OpDoc RopeOp::doc() {
  return {
      "x=TxHxD [pairs=adjacent|half] [turned=D] [to=f32|f16|bf16|q8_0]",
      "each pair of the first `turned` of x's last axis turned by its angle; angles: half as many cosines, then as many sines, for every "
      "row",
      "x, angles [T,turned]"};
}

RopeOp RopeOp::read(KeyReader& reader) {
  RopeOp op;
  op.x = takeShape(reader, "x");
  op.pairs = static_cast<RopePairs>(reader.takeChoice("pairs", {"adjacent", "half"}));
  op.to = takeKeptType(reader, "to");
  op.turned = reader.takeInt("turned", 0, 1, INT32_MAX);
  if (op.x.size() == 3 && op.turned == op.x[2].value) op.turned = 0;
  return op;
}

void RopeOp::fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes) { fillX(keys, shapes); }

KeyValues RopeOp::write() const {
  KeyValues out{std::string(kName), {}};
  out.set("x", text(x));
  out.set("pairs", pairs == RopePairs::Adjacent ? "adjacent" : "half");
  if (to != ElementType::F32) out.set("to", std::string(text(to)));
  if (turned != 0) out.set("turned", std::to_string(turned));
  return out;
}

Result<void> RopeOp::validate() const {
  if (x.size() != 3) return badCommand(fmt::format("rope: x={} has {} dimensions, TxHxD is needed", text(x), x.size()));
  if (x[1].any() || x[2].any() || (turned == 0 && x[2].value % 2 != 0))
    return badCommand(fmt::format("rope: x={}: H and D must be known, D even", text(x)));
  if (turned < 0 || turned % 2 != 0 || turned > x[2].value)
    return badCommand(fmt::format("rope: turned={} is not even and at most D={}", turned, x[2].value));
  if (auto good = checkBlocks("rope", fmt::format("x={}", text(x)), "to", to, x[2]); !good) return good;
  return checkShape("rope: x", x);
}

std::vector<TensorSpec> RopeOp::inputs() const {
  std::vector<TensorDim> dims = shapeDims(x);
  return {{"x", ElementType::F32, dims, false}, {"angles", ElementType::F32, {dims[0], {"pairs", width()}}, false}};
}

TensorSpec RopeOp::output() const { return {"out", to, shapeDims(x), false}; }

RopeOp RopeOp::fixed(const DimValues& values) const {
  RopeOp op = *this;
  op.x = fixedShape(x, values);
  return op;
}

RopeOp RopeOp::withRuntimeDims() const {
  RopeOp op = *this;
  op.x[0] = {Dim::kAny};
  return op;
}

double RopeOp::flops() const {
  return 3.0 * static_cast<double>(x[0].value) * static_cast<double>(x[1].value) * static_cast<double>(width());
}

}  // namespace quern
