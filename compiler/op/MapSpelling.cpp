// compiler/op/MapSpelling.cpp — the names that stand for a map: add, gelu, relu ...
#include "compiler/base/Text.h"
#include "compiler/op/MapOp.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace quern {

namespace {

/// A function of several arguments, and the names of its operands; of the forms of gelu, what `form` says.
struct Spelling {
  std::string_view name;
  ScalarFn fn;
  std::array<std::string_view, 3> operands = {"a", "b", ""};

  std::vector<std::string> operandNames() const {
    std::vector<std::string> names;
    for (std::string_view operand : operands)
      if (!operand.empty()) names.emplace_back(operand);
    return names;
  }
};
constexpr std::array<Spelling, 15> kSeveral = {{{"add", ScalarFn::Add},
                                                {"sub", ScalarFn::Sub},
                                                {"mul", ScalarFn::Mul},
                                                {"div", ScalarFn::Div},
                                                {"max", ScalarFn::Max},
                                                {"min", ScalarFn::Min},
                                                {"pow", ScalarFn::Pow},
                                                {"equal", ScalarFn::Equal},
                                                {"not_equal", ScalarFn::NotEqual},
                                                {"less", ScalarFn::Less},
                                                {"less_equal", ScalarFn::LessEqual},
                                                {"greater", ScalarFn::Greater},
                                                {"greater_equal", ScalarFn::GreaterEqual},
                                                {"where", ScalarFn::Where, {"c", "a", "b"}},
                                                {"clamp", ScalarFn::Clamp, {"x", "lo", "hi"}}}};
constexpr std::array<Spelling, 3> kGelu = {{{"erf", ScalarFn::GeluErf}, {"tanh", ScalarFn::GeluTanh}, {"sigmoid", ScalarFn::GeluSigmoid}}};

template <size_t N>
const Spelling* named(const std::array<Spelling, N>& table, std::string_view name) {
  auto found = std::find_if(table.begin(), table.end(), [&](const Spelling& row) { return row.name == name; });
  return found == table.end() ? nullptr : &*found;
}

template <size_t N>
const Spelling* withFn(const std::array<Spelling, N>& table, ScalarFn fn) {
  auto found = std::find_if(table.begin(), table.end(), [&](const Spelling& row) { return row.fn == fn; });
  return found == table.end() ? nullptr : &*found;
}

/// Every function of one argument is a spelling, but the forms of gelu.
bool isUnary(const ScalarFnInfo& fn) { return fn.arity == 1 && withFn(kGelu, fn.fn) == nullptr; }
const ScalarFnInfo* unaryNamed(std::string_view name) {
  const ScalarFnInfo* fn = findScalarFn(name);
  return fn != nullptr && isUnary(*fn) ? fn : nullptr;
}

}  // namespace

/// Rows of `quern ops`, whose texts live as long as the program.
static std::vector<MapSpelling> spellingRows() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> texts;
    for (const Spelling& row : kSeveral) {
      std::vector<std::string> names = row.operandNames();
      texts.push_back(join(names, "=SHAPE ") + "=SHAPE");
      texts.push_back(join(names, ", "));
    }
    return texts;
  }();
  std::vector<MapSpelling> rows;
  for (size_t i = 0; i < kSeveral.size(); ++i)
    rows.push_back({kSeveral[i].name, keys[2 * i], info(kSeveral[i].fn).formula, keys[2 * i + 1]});
  rows.push_back({"gelu", "x=SHAPE [form=erf|tanh|sigmoid]", "x times the normal distribution function, or an approximation", "x"});
  for (const ScalarFnInfo& fn : scalarFns())
    if (isUnary(fn)) rows.push_back({fn.name, "x=SHAPE", fn.formula, "x"});
  return rows;
}

const std::vector<MapSpelling>& mapSpellings() {
  static const std::vector<MapSpelling> all = spellingRows();
  return all;
}

bool isMapSpelling(std::string_view name) { return name == "gelu" || named(kSeveral, name) != nullptr || unaryNamed(name) != nullptr; }

MapOp readMapSpelling(std::string_view name, KeyReader& reader) {
  MapOp op;
  if (const Spelling* several = named(kSeveral, name)) {
    std::vector<ScalarExprRef> args;
    for (const std::string& operand : several->operandNames()) {
      op.operands.push_back({operand, takeShape(reader, operand)});
      args.push_back(scalarOperand(operand));
    }
    op.expr = scalarCall(several->fn, std::move(args));
    return op;
  }
  op.operands = {{"x", takeShape(reader, "x")}};
  const ScalarFnInfo* unary = unaryNamed(name);
  ScalarFn fn = unary != nullptr ? unary->fn : kGelu[reader.takeChoice("form", {"erf", "tanh", "sigmoid"})].fn;
  op.expr = scalarCall(fn, {scalarOperand("x")});
  return op;
}

void fillSpellingFromShapes(std::string_view name, KeyValues& keys, std::span<const std::vector<int64_t>> shapes) {
  const Spelling* several = named(kSeveral, name);
  std::vector<std::string> operands = several != nullptr ? several->operandNames() : std::vector<std::string>{"x"};
  for (size_t i = 0; i < operands.size() && i < shapes.size(); ++i)
    if (keys.find(operands[i]) == nullptr) keys.set(operands[i], shapeText(shapes[i]));
}

/// The operands of a call that has nothing else, by name.
static std::optional<std::vector<std::string>> operandsAsCalled(const ScalarExpr& call) {
  std::vector<std::string> names;
  for (const ScalarExprRef& arg : call.args) {
    if (arg->kind != ScalarExpr::Kind::Operand) return std::nullopt;
    names.push_back(arg->operand);
  }
  return names;
}

std::optional<KeyValues> spellingOf(const MapOp& op) {
  const ScalarExpr& expr = *op.expr;
  if (expr.kind != ScalarExpr::Kind::Call || !op.inPlace.empty() || op.commonMaths) return std::nullopt;
  auto called = operandsAsCalled(expr);
  if (!called) return std::nullopt;
  KeyValues out;
  const Spelling* several = withFn(kSeveral, expr.fn);
  if (several != nullptr && *called == several->operandNames()) {
    out.head = several->name;
    for (const MapOp::Operand& operand : op.operands) out.set(operand.name, text(operand.shape));
    return out;
  }
  if (*called != std::vector<std::string>{"x"}) return std::nullopt;
  const Spelling* gelu = withFn(kGelu, expr.fn);
  out.head = gelu == nullptr ? info(expr.fn).name : "gelu";
  out.set("x", text(op.operands[0].shape));
  if (gelu != nullptr && gelu->fn != ScalarFn::GeluErf) out.set("form", std::string(gelu->name));
  return out;
}

}  // namespace quern
