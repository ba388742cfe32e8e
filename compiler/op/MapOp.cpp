// compiler/op/MapOp.cpp — see MapOp.h.
#include "compiler/op/MapOp.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

OpDoc MapOp::doc() {
  return {"expr=\"gelu_tanh(a + b) * c\" a=SHAPE b=SHAPE c=SHAPE [inplace=a] [maths=common]",
          "one fused kernel for any elementwise expression, NumPy broadcasting; inplace: the result replaces that operand; maths=common: "
          "functions in one form on all levels with fma",
          "the operands as they first appear in expr"};
}

MapOp MapOp::read(KeyReader& reader) {
  MapOp op;
  op.expr = scalarNumber(0);
  auto text = reader.take("expr");
  if (!text) {
    reader.failBeforeKeys("expr= is missing; an expression such as expr=\"silu(a) * b\"");
    return op;
  }
  auto expr = parseScalarExpr(*text);
  if (!expr) {
    reader.failBeforeKeys(expr.error().message);
    return op;
  }
  op.expr = *expr;
  for (const std::string& name : operandsOf(*op.expr)) op.operands.push_back({name, takeShape(reader, name)});
  if (op.operandNamed("inplace") == nullptr) op.inPlace = reader.take("inplace").value_or("");
  if (op.operandNamed("maths") == nullptr) op.commonMaths = reader.takeChoice("maths", {"own", "common"}) == 1;
  return op;
}

const MapOp::Operand* MapOp::operandNamed(std::string_view name) const {
  auto found = std::find_if(operands.begin(), operands.end(), [&](const Operand& operand) { return operand.name == name; });
  return found == operands.end() ? nullptr : &*found;
}

void MapOp::fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes) {
  const std::string* text = keys.find("expr");
  if (text == nullptr) return;
  auto expr = parseScalarExpr(*text);
  if (!expr) return;
  std::vector<std::string> names = operandsOf(**expr);
  for (size_t i = 0; i < names.size() && i < shapes.size(); ++i)
    if (keys.find(names[i]) == nullptr) keys.set(names[i], shapeText(shapes[i]));
}

KeyValues MapOp::write() const {
  KeyValues out{std::string(kName), {}};
  out.set("expr", text(*expr));
  for (const Operand& operand : operands) out.set(operand.name, text(operand.shape));
  if (!inPlace.empty()) out.set("inplace", inPlace);
  if (commonMaths) out.set("maths", "common");
  return out;
}

Shape MapOp::outputShape() const {
  size_t rank = 0;
  for (const Operand& operand : operands) rank = std::max(rank, operand.shape.size());
  Shape out(rank, Dim{1});
  for (const Operand& operand : operands)
    for (size_t i = 0; i < operand.shape.size(); ++i) {
      Dim dim = operand.shape[operand.shape.size() - 1 - i];
      if (dim != Dim{1}) out[rank - 1 - i] = dim;
    }
  return out;
}

Result<void> MapOp::validate() const {
  if (operands.empty()) return badCommand("map: the expression has no operand");
  if (commonMaths && operandNamed("maths") != nullptr)
    return badCommand("map: maths=common with an operand 'maths'; another name is needed");
  Shape out = outputShape();
  for (const Operand& operand : operands) {
    if (auto good = checkShape(fmt::format("map: {}", operand.name), operand.shape); !good) return good;
    for (size_t i = 0; i < operand.shape.size(); ++i) {
      size_t axis = out.size() - operand.shape.size() + i;
      if (operand.shape[i] != Dim{1} && operand.shape[i] != out[axis])
        return badCommand(fmt::format("map: {}={} does not broadcast with the other operands to {}: axis {} is {}, not 1 or {}",
                                      operand.name, text(operand.shape), text(out), axis, text(operand.shape[i]), text(out[axis])));
    }
  }
  if (const Operand* over = operandNamed(inPlace); !inPlace.empty() && (over == nullptr || over->shape != out))
    return badCommand(over == nullptr
                          ? fmt::format("map: inplace={} is no operand", escaped(inPlace))
                          : fmt::format("map: inplace={}: its shape is {}, the result's {}", inPlace, text(over->shape), text(out)));
  return checkShape("map: the result", out);
}

std::vector<TensorSpec> MapOp::inputs() const {
  size_t rank = outputShape().size();
  std::vector<TensorSpec> specs;
  for (const Operand& operand : operands) {
    TensorSpec spec{operand.name, ElementType::F32, {}, false};
    for (size_t i = 0; i < operand.shape.size(); ++i) {
      size_t axis = rank - operand.shape.size() + i;
      bool one = operand.shape[i] == Dim{1};
      spec.dims.push_back(one ? TensorDim{"one", 1} : TensorDim{fmt::format("d{}", axis), operand.shape[i].value});
    }
    specs.push_back(std::move(spec));
  }
  return specs;
}

TensorSpec MapOp::output() const { return {"out", ElementType::F32, shapeDims(outputShape()), false}; }

MapOp MapOp::fixed(const DimValues& values) const {
  MapOp op = *this;
  size_t rank = outputShape().size();
  for (Operand& operand : op.operands)
    for (size_t i = 0; i < operand.shape.size(); ++i)
      operand.shape[i] = fixedDim(operand.shape[i], fmt::format("d{}", rank - operand.shape.size() + i), values);
  return op;
}

double MapOp::flops() const { return flopsOf(*expr) * static_cast<double>(output().elements()); }

MapOp MapOp::withRuntimeDims() const {
  MapOp op = *this;
  for (Operand& operand : op.operands)
    for (Dim& dim : operand.shape)
      if (dim != Dim{1}) dim = {Dim::kAny};
  return op;
}

}  // namespace quern
