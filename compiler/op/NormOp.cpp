// compiler/op/NormOp.cpp — see NormOp.h.
#include "compiler/op/NormOp.h"

#include "compiler/base/Text.h"

#include <cmath>
#include <fmt/format.h>

namespace quern {

void NormShape::read(KeyReader& reader) {
  x = takeShape(reader, "x");
  eps = static_cast<float>(reader.takeDouble("eps", 1e-5));
  residual = reader.takeInt("residual", 0, 0, 1) != 0;
  out = takeHandedType(reader, "out");
  axis = static_cast<int>(reader.takeInt("axis", -1, -64, 63));
  if (!std::isfinite(eps) || eps < 0) reader.fail(fmt::format("eps={} is not a finite number >= 0", shortest(eps)));
}

void NormShape::write(KeyValues& keys) const {
  keys.set("x", text(x));
  if (eps != 1e-5f) keys.set("eps", shortest(eps));
  if (residual) keys.set("residual", "1");
  if (out != ElementType::F32) keys.set("out", std::string(quern::text(out)));
  if (axis != -1) keys.set("axis", std::to_string(axis));
}

Result<void> NormShape::validate(std::string_view op) const {
  if (auto good = checkShape(fmt::format("{}: x", op), x); !good) return good;
  if (x.empty() || x.back().any() || x.back().value == 0)
    return badCommand(fmt::format("{}: x={}: the last dimension is the normalised width and must be known and above 0", op, text(x)));
  if (auto good = checkAxis(op, axis, x); !good) return good;
  for (size_t i = firstAxis(); i < x.size(); ++i)
    if (x[i].any() || x[i].value == 0)
      return badCommand(
          fmt::format("{}: x={} axis={}: dimension {} is normalised over and must be known and above 0", op, text(x), axis, i));
  return checkBlocks(op, fmt::format("x={}", text(x)), "out", out, x.back());
}

TensorSpec NormShape::tensor(std::string name) const {
  TensorSpec spec{std::move(name), ElementType::F32, shapeDims(x), false};
  spec.dims.back().name = "width";
  return spec;
}

TensorSpec NormShape::perElement(std::string name) const {
  TensorSpec spec = tensor(std::move(name));
  spec.dims.erase(spec.dims.begin(), spec.dims.begin() + static_cast<std::ptrdiff_t>(firstAxis()));
  return spec;
}

int64_t NormShape::width() const {
  int64_t width = 1;
  for (size_t i = firstAxis(); i < x.size(); ++i) width *= x[i].value;
  return width;
}

TensorSpec NormShape::result() const {
  TensorSpec spec = tensor("out");
  spec.type = out;
  return spec;
}

std::vector<TensorSpec> NormShape::rows() const {
  std::vector<TensorSpec> specs = {tensor("x")};
  if (residual) specs.push_back(tensor("residual"));
  return specs;
}

NormShape NormShape::fixed(const DimValues& values) const {
  NormShape shape = *this;
  shape.x = fixedShape(x, values);
  return shape;
}

OpDoc LayerNormOp::doc() {
  return {"x=SHAPE [axis=-1] [eps=1e-5] [bias=0] [residual=1] [out=f32|bf16|q8]",
          "(x - mean) / sqrt(variance + eps) * gain + bias over the axes from axis on; residual=1: of x + residual",
          "x, (residual,) gain (, bias)"};
}

LayerNormOp LayerNormOp::read(KeyReader& reader) {
  LayerNormOp op;
  op.shape.read(reader);
  op.bias = reader.takeInt("bias", 1, 0, 1) != 0;
  return op;
}

void LayerNormOp::fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes) { fillX(keys, shapes); }

KeyValues LayerNormOp::write() const {
  KeyValues out{std::string(kName), {}};
  shape.write(out);
  if (!bias) out.set("bias", "0");
  return out;
}

Result<void> LayerNormOp::validate() const { return shape.validate(kName); }

std::vector<TensorSpec> LayerNormOp::inputs() const {
  std::vector<TensorSpec> specs = shape.rows();
  specs.push_back(shape.perElement("gain"));
  if (bias) specs.push_back(shape.perElement("bias"));
  return specs;
}

TensorSpec LayerNormOp::output() const { return shape.result(); }
LayerNormOp LayerNormOp::fixed(const DimValues& values) const { return {shape.fixed(values), bias}; }
double LayerNormOp::flops() const { return 8.0 * static_cast<double>(output().elements()); }

OpDoc RmsNormOp::doc() {
  return {"x=SHAPE [axis=-1] [eps=1e-5] [residual=1] [out=f32|bf16|q8]",
          "x / sqrt(mean of squares + eps) * gain over the axes from axis on; residual=1: of x + residual", "x, (residual,) gain"};
}

RmsNormOp RmsNormOp::read(KeyReader& reader) {
  RmsNormOp op;
  op.shape.read(reader);
  return op;
}

void RmsNormOp::fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes) { fillX(keys, shapes); }

KeyValues RmsNormOp::write() const {
  KeyValues out{std::string(kName), {}};
  shape.write(out);
  return out;
}

Result<void> RmsNormOp::validate() const { return shape.validate(kName); }

std::vector<TensorSpec> RmsNormOp::inputs() const {
  std::vector<TensorSpec> specs = shape.rows();
  specs.push_back(shape.perElement("gain"));
  return specs;
}

TensorSpec RmsNormOp::output() const { return shape.result(); }
RmsNormOp RmsNormOp::fixed(const DimValues& values) const { return {shape.fixed(values)}; }
double RmsNormOp::flops() const { return 4.0 * static_cast<double>(output().elements()); }

NormShape NormShape::withRuntimeDims() const {
  NormShape shape = *this;
  for (size_t i = 0; i < firstAxis(); ++i) shape.x[i] = {Dim::kAny};
  return shape;
}

LayerNormOp LayerNormOp::withRuntimeDims() const { return {shape.withRuntimeDims(), bias}; }
RmsNormOp RmsNormOp::withRuntimeDims() const { return {shape.withRuntimeDims()}; }

}  // namespace quern
