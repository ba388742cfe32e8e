// compiler/op/ReduceOp.cpp — see ReduceOp.h.
#include "compiler/op/ReduceOp.h"

#include <fmt/format.h>

namespace quern {

static const std::vector<std::string>& fnNames() {
  static const std::vector<std::string> names = {"sum", "mean", "max", "min"};
  return names;
}

OpDoc ReduceOp::doc() { return {"x=SHAPE axis= f=sum|mean|max|min", "f along axis, which disappears", "x"}; }

ReduceOp ReduceOp::read(KeyReader& reader) {
  ReduceOp op;
  op.x = takeShape(reader, "x");
  if (!reader.has("axis")) reader.fail("axis= is missing");
  op.axis = static_cast<int>(reader.takeInt("axis", -1, -64, 63));
  if (!reader.has("f")) reader.fail("f= is missing; sum, mean, max or min");
  op.fn = static_cast<ReduceFn>(reader.takeChoice("f", fnNames()));
  return op;
}

void ReduceOp::fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes) { fillX(keys, shapes); }

KeyValues ReduceOp::write() const {
  KeyValues out{std::string(kName), {}};
  out.set("x", text(x));
  out.set("axis", std::to_string(axis));
  out.set("f", fnNames()[static_cast<size_t>(fn)]);
  return out;
}

Result<void> ReduceOp::validate() const {
  if (auto good = checkShape("reduce: x", x); !good) return good;
  if (auto good = checkAxis("reduce", axis, x); !good) return good;
  bool needsOne = fn == ReduceFn::Max || fn == ReduceFn::Min;
  if (needsOne && x[axisIndex()].value == 0)
    return badCommand(fmt::format("reduce: f={} over an axis of 0 elements has no value", fnNames()[static_cast<size_t>(fn)]));
  return {};
}

std::vector<TensorSpec> ReduceOp::inputs() const { return {{"x", ElementType::F32, shapeDims(x), false}}; }

TensorSpec ReduceOp::output() const {
  TensorSpec out{"out", ElementType::F32, shapeDims(x), false};
  out.dims.erase(out.dims.begin() + static_cast<std::ptrdiff_t>(axisIndex()));
  return out;
}

ReduceOp ReduceOp::fixed(const DimValues& values) const {
  ReduceOp op = *this;
  op.x = fixedShape(x, values);
  return op;
}

double ReduceOp::flops() const { return static_cast<double>(inputs()[0].elements()); }

ReduceOp ReduceOp::withRuntimeDims() const {
  ReduceOp op = *this;
  op.x = runtimeShape(x);
  return op;
}

}  // namespace quern
