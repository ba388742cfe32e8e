// compiler/op/SoftmaxOp.cpp — see SoftmaxOp.h.
#include "compiler/op/SoftmaxOp.h"

#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

OpDoc SoftmaxOp::doc() { return {"x=SHAPE [axis=-1] [scale=] [causal=1|topleft]", "exp(scale (x - max)) over its sum along axis", "x"}; }

SoftmaxOp SoftmaxOp::read(KeyReader& reader) {
  SoftmaxOp op;
  op.x = takeShape(reader, "x");
  op.axis = static_cast<int>(reader.takeInt("axis", -1, -64, 63));
  op.scale = takeScale(reader);
  op.causal = takeCausal(reader);
  return op;
}

void SoftmaxOp::fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes) { fillX(keys, shapes); }

KeyValues SoftmaxOp::write() const {
  KeyValues out{std::string(kName), {}};
  out.set("x", text(x));
  if (axis != -1) out.set("axis", std::to_string(axis));
  if (scale != 0) out.set("scale", shortest(scale));
  if (causal != Causal::No) out.set("causal", std::string(causalText(causal)));
  return out;
}

Result<void> SoftmaxOp::validate() const {
  if (auto good = checkShape("softmax: x", x); !good) return good;
  if (auto good = checkAxis("softmax", axis, x); !good) return good;
  if (causal != Causal::No && (x.size() < 2 || axisIndex() + 1 != x.size()))
    return badCommand(
        fmt::format("softmax: causal={} needs at least 2 dimensions and axis=-1; x={} axis={}", causalText(causal), text(x), axis));
  return {};
}

std::vector<TensorSpec> SoftmaxOp::inputs() const { return {{"x", ElementType::F32, shapeDims(x), false}}; }

TensorSpec SoftmaxOp::output() const { return {"out", ElementType::F32, shapeDims(x), false}; }

SoftmaxOp SoftmaxOp::fixed(const DimValues& values) const {
  SoftmaxOp op = *this;
  op.x = fixedShape(x, values);
  return op;
}

double SoftmaxOp::flops() const { return 5.0 * static_cast<double>(output().elements()); }

SoftmaxOp SoftmaxOp::withRuntimeDims() const {
  SoftmaxOp op = *this;
  op.x = runtimeShape(x);
  return op;
}

}  // namespace quern
