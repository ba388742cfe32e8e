// compiler/op/ScalarExpr.cpp — the table of functions, printing and walking. Parsing: ScalarExprParser.cpp.
#include "compiler/op/ScalarExpr.h"

#include "compiler/base/Check.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <array>
#include <bit>
#include <fmt/format.h>

namespace quern {

static constexpr std::array<ScalarFnInfo, 20> kFns = {{
    {ScalarFn::Add, "+", 2, 1, "a + b"},
    {ScalarFn::Sub, "-", 2, 1, "a - b"},
    {ScalarFn::Mul, "*", 2, 1, "a * b"},
    {ScalarFn::Div, "/", 2, 1, "a / b"},
    {ScalarFn::Neg, "neg", 1, 1, "-x"},
    {ScalarFn::Max, "max", 2, 1, "a > b ? a : b, NaN if either is"},
    {ScalarFn::Min, "min", 2, 1, "a < b ? a : b, NaN if either is"},
    {ScalarFn::Abs, "abs", 1, 1, "|x|"},
    {ScalarFn::Sqrt, "sqrt", 1, 1, "square root"},
    {ScalarFn::Rsqrt, "rsqrt", 1, 2, "1 / sqrt(x)"},
    {ScalarFn::Exp, "exp", 1, 1, "e^x"},
    {ScalarFn::Log, "log", 1, 1, "natural logarithm"},
    {ScalarFn::Tanh, "tanh", 1, 1, "hyperbolic tangent"},
    {ScalarFn::Erf, "erf", 1, 1, "2/sqrt(pi) * integral of exp(-t^2) from 0 to x"},
    {ScalarFn::Sigmoid, "sigmoid", 1, 3, "1 / (1 + exp(-x))"},
    {ScalarFn::Relu, "relu", 1, 1, "max(x, 0), NaN stays NaN"},
    {ScalarFn::Silu, "silu", 1, 4, "x * sigmoid(x)"},
    {ScalarFn::GeluErf, "gelu_erf", 1, 5, "x * (1 + erf(x / sqrt 2)) / 2"},
    {ScalarFn::GeluTanh, "gelu_tanh", 1, 8, "x * (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2"},
    {ScalarFn::GeluSigmoid, "gelu_sigmoid", 1, 5, "x * sigmoid(1.702 x)"},
}};

std::span<const ScalarFnInfo> scalarFns() { return kFns; }

const ScalarFnInfo& info(ScalarFn fn) {
  const ScalarFnInfo& found = kFns[static_cast<size_t>(fn)];
  QUERN_CHECK(found.fn == fn);
  return found;
}

const ScalarFnInfo* findScalarFn(std::string_view name) {
  for (const ScalarFnInfo& fn : kFns)
    if (fn.name == name && fn.fn > ScalarFn::Div) return &fn;
  return nullptr;
}

ScalarExprRef scalarNumber(float value) { return std::make_shared<ScalarExpr>(ScalarExpr{ScalarExpr::Kind::Number, value, {}, {}, {}}); }

ScalarExprRef scalarOperand(std::string name) {
  return std::make_shared<ScalarExpr>(ScalarExpr{ScalarExpr::Kind::Operand, 0, std::move(name), {}, {}});
}

ScalarExprRef scalarCall(ScalarFn fn, std::vector<ScalarExprRef> args) {
  QUERN_CHECK(static_cast<int>(args.size()) == info(fn).arity);
  return std::make_shared<ScalarExpr>(ScalarExpr{ScalarExpr::Kind::Call, 0, {}, fn, std::move(args)});
}

/// Binding strength: sums 1, products 2, everything else 3.
static int strength(const ScalarExpr& expr) {
  if (expr.kind != ScalarExpr::Kind::Call) return 3;
  if (expr.fn == ScalarFn::Add || expr.fn == ScalarFn::Sub) return 1;
  if (expr.fn == ScalarFn::Mul || expr.fn == ScalarFn::Div) return 2;
  return 3;
}

static std::string wrapped(const ScalarExpr& expr, int atLeast) {
  std::string inner = text(expr);
  return strength(expr) < atLeast ? fmt::format("({})", inner) : inner;
}

std::string text(const ScalarExpr& expr) {
  if (expr.kind == ScalarExpr::Kind::Number) return shortest(expr.number);
  if (expr.kind == ScalarExpr::Kind::Operand) return expr.operand;
  int mine = strength(expr);
  if (mine < 3) return fmt::format("{} {} {}", wrapped(*expr.args[0], mine), info(expr.fn).name, wrapped(*expr.args[1], mine + 1));
  if (expr.args.size() == 1) return fmt::format("{}({})", info(expr.fn).name, text(*expr.args[0]));
  return fmt::format("{}({}, {})", info(expr.fn).name, text(*expr.args[0]), text(*expr.args[1]));
}

bool sameExpr(const ScalarExprRef& a, const ScalarExprRef& b) {
  if (a == nullptr || b == nullptr) return a == b;
  if (a->kind != b->kind || a->operand != b->operand || a->fn != b->fn || a->args.size() != b->args.size() ||
      std::bit_cast<uint32_t>(a->number) != std::bit_cast<uint32_t>(b->number))
    return false;
  for (size_t i = 0; i < a->args.size(); ++i)
    if (!sameExpr(a->args[i], b->args[i])) return false;
  return true;
}

static void collectOperands(const ScalarExpr& expr, std::vector<std::string>& names) {
  if (expr.kind == ScalarExpr::Kind::Operand && std::find(names.begin(), names.end(), expr.operand) == names.end())
    names.push_back(expr.operand);
  for (const ScalarExprRef& arg : expr.args) collectOperands(*arg, names);
}

std::vector<std::string> operandsOf(const ScalarExpr& expr) {
  std::vector<std::string> names;
  collectOperands(expr, names);
  return names;
}

double flopsOf(const ScalarExpr& expr) {
  double flops = expr.kind == ScalarExpr::Kind::Call ? info(expr.fn).flops : 0;
  for (const ScalarExprRef& arg : expr.args) flops += flopsOf(*arg);
  return flops;
}

/// The name of the outermost stage of an epilogue, and what it is applied to; "" where the tree is not a stage.
static std::pair<std::string, ScalarExprRef> lastStage(const ScalarExpr& expr) {
  if (expr.kind != ScalarExpr::Kind::Call) return {};
  if (expr.args.size() == 1) return {std::string(info(expr.fn).name), expr.args[0]};
  const ScalarExpr& right = *expr.args[1];
  bool adds = expr.fn == ScalarFn::Add && right.kind == ScalarExpr::Kind::Operand;
  if (adds && (right.operand == "bias" || right.operand == "residual")) return {right.operand, expr.args[0]};
  return {};
}

std::string epilogueText(const ScalarExpr& expr) {
  std::vector<std::string> stages;
  auto [name, inner] = lastStage(expr);
  while (!name.empty()) {
    stages.insert(stages.begin(), name);
    if (inner->kind == ScalarExpr::Kind::Operand && inner->operand == "x") return join(stages, "+");
    std::tie(name, inner) = lastStage(*inner);
  }
  return text(expr);
}

}  // namespace quern
