// compiler/op/MapSpelling.cpp — the names that stand for a map: add, gelu, relu ...
#include "compiler/base/Text.h"
#include "compiler/op/MapOp.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace quern {

namespace {

struct Binary {
  std::string_view name;
  ScalarFn fn;
};
constexpr std::array<Binary, 6> kBinary = {{{"add", ScalarFn::Add},
                                            {"sub", ScalarFn::Sub},
                                            {"mul", ScalarFn::Mul},
                                            {"div", ScalarFn::Div},
                                            {"max", ScalarFn::Max},
                                            {"min", ScalarFn::Min}}};
constexpr std::array<Binary, 3> kGelu = {{{"erf", ScalarFn::GeluErf}, {"tanh", ScalarFn::GeluTanh}, {"sigmoid", ScalarFn::GeluSigmoid}}};

template <size_t N>
const Binary* named(const std::array<Binary, N>& table, std::string_view name) {
  auto found = std::find_if(table.begin(), table.end(), [&](const Binary& row) { return row.name == name; });
  return found == table.end() ? nullptr : &*found;
}

template <size_t N>
const Binary* withFn(const std::array<Binary, N>& table, ScalarFn fn) {
  auto found = std::find_if(table.begin(), table.end(), [&](const Binary& row) { return row.fn == fn; });
  return found == table.end() ? nullptr : &*found;
}

/// Every function of one argument is a spelling, but the forms of gelu.
bool isUnary(const ScalarFnInfo& fn) { return fn.arity == 1 && withFn(kGelu, fn.fn) == nullptr; }
const ScalarFnInfo* unaryNamed(std::string_view name) {
  const ScalarFnInfo* fn = findScalarFn(name);
  return fn != nullptr && isUnary(*fn) ? fn : nullptr;
}

}  // namespace

const std::vector<MapSpelling>& mapSpellings() {
  static const std::vector<MapSpelling> all = [] {
    std::vector<MapSpelling> rows;
    for (const Binary& row : kBinary) rows.push_back({row.name, "a=SHAPE b=SHAPE", info(row.fn).formula, "a, b"});
    rows.push_back({"gelu", "x=SHAPE [form=erf|tanh|sigmoid]", "x times the normal distribution function, or an approximation", "x"});
    for (const ScalarFnInfo& fn : scalarFns())
      if (isUnary(fn)) rows.push_back({fn.name, "x=SHAPE", fn.formula, "x"});
    return rows;
  }();
  return all;
}

bool isMapSpelling(std::string_view name) { return name == "gelu" || named(kBinary, name) != nullptr || unaryNamed(name) != nullptr; }

MapOp readMapSpelling(std::string_view name, KeyReader& reader) {
  MapOp op;
  if (const Binary* binary = named(kBinary, name)) {
    op.operands = {{"a", takeShape(reader, "a")}, {"b", takeShape(reader, "b")}};
    op.expr = scalarCall(binary->fn, {scalarOperand("a"), scalarOperand("b")});
    return op;
  }
  op.operands = {{"x", takeShape(reader, "x")}};
  const ScalarFnInfo* unary = unaryNamed(name);
  ScalarFn fn = unary != nullptr ? unary->fn : kGelu[reader.takeChoice("form", {"erf", "tanh", "sigmoid"})].fn;
  op.expr = scalarCall(fn, {scalarOperand("x")});
  return op;
}

void fillSpellingFromShapes(std::string_view name, KeyValues& keys, std::span<const std::vector<int64_t>> shapes) {
  std::vector<std::string> operands = named(kBinary, name) != nullptr ? std::vector<std::string>{"a", "b"} : std::vector<std::string>{"x"};
  for (size_t i = 0; i < operands.size() && i < shapes.size(); ++i)
    if (keys.find(operands[i]) == nullptr) keys.set(operands[i], shapeText(shapes[i]));
}

std::optional<KeyValues> spellingOf(const MapOp& op) {
  const ScalarExpr& expr = *op.expr;
  if (expr.kind != ScalarExpr::Kind::Call || !op.inPlace.empty() || op.commonMaths) return std::nullopt;
  for (const ScalarExprRef& arg : expr.args)
    if (arg->kind != ScalarExpr::Kind::Operand) return std::nullopt;
  KeyValues out;
  const Binary* binary = withFn(kBinary, expr.fn);
  if (binary != nullptr && expr.args[0]->operand == "a" && expr.args[1]->operand == "b") {
    out.head = binary->name;
    out.set("a", text(op.operands[0].shape));
    out.set("b", text(op.operands[1].shape));
    return out;
  }
  if (expr.args.size() != 1 || expr.args[0]->operand != "x") return std::nullopt;
  const Binary* gelu = withFn(kGelu, expr.fn);
  out.head = gelu == nullptr ? info(expr.fn).name : "gelu";
  out.set("x", text(op.operands[0].shape));
  if (gelu != nullptr && gelu->fn != ScalarFn::GeluErf) out.set("form", std::string(gelu->name));
  return out;
}

}  // namespace quern
