// compiler/op/ScalarExpr.cpp — the table of functions, printing and walking. Parsing: ScalarExprParser.cpp.
#include "compiler/op/ScalarExpr.h"

#include "compiler/Activations.h"
#include "compiler/base/Check.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

namespace quern {

static constexpr ScalarFnInfo kFns[] = {{ScalarFn::Add, "+", 2, 1, "a + b", nullptr},
                                        {ScalarFn::Sub, "-", 2, 1, "a - b", nullptr},
                                        {ScalarFn::Mul, "*", 2, 1, "a * b", nullptr},
                                        {ScalarFn::Div, "/", 2, 1, "a / b", nullptr},
                                        {ScalarFn::Neg, "neg", 1, 1, "-x", nullptr},
                                        {ScalarFn::Max, "max", 2, 1, "a > b ? a : b, NaN if either is", nullptr},
                                        {ScalarFn::Min, "min", 2, 1, "a < b ? a : b, NaN if either is", nullptr},
                                        {ScalarFn::Abs, "abs", 1, 1, "|x|", nullptr},
                                        {ScalarFn::Sqrt, "sqrt", 1, 1, "square root", nullptr},
                                        {ScalarFn::Where, "where", 3, 1, "c != 0 ? a : b, only the one picked counts", nullptr},
                                        {ScalarFn::Clamp, "clamp", 3, 2, "min(max(x, lo), hi), NaN if any is", nullptr},
                                        {ScalarFn::Equal, "equal", 2, 1, "a == b ? 1 : 0", nullptr},
                                        {ScalarFn::NotEqual, "not_equal", 2, 1, "a != b ? 1 : 0", nullptr},
                                        {ScalarFn::Less, "less", 2, 1, "a < b ? 1 : 0", nullptr},
                                        {ScalarFn::LessEqual, "less_equal", 2, 1, "a <= b ? 1 : 0", nullptr},
                                        {ScalarFn::Greater, "greater", 2, 1, "a > b ? 1 : 0", nullptr},
                                        {ScalarFn::GreaterEqual, "greater_equal", 2, 1, "a >= b ? 1 : 0", nullptr},
                                        {ScalarFn::Pow, "pow", 2, 1, "a to the power of b", nullptr},
#define QUERN_FN(Name) \
  {ScalarFn::Name, maths::Name::kInfo.name, 1, maths::Name::kInfo.flops, maths::Name::kInfo.formula, &maths::Name::kInfo},
                                        QUERN_ACTIVATIONS(QUERN_FN)
#undef QUERN_FN
};

std::span<const ScalarFnInfo> scalarFns() {
  static const std::vector<ScalarFnInfo> all = [] {
    std::vector<ScalarFnInfo> rows;
    for (const ScalarFnInfo& fn : kFns)
      if (fn.activation == nullptr || !fn.activation->internal) rows.push_back(fn);
    return rows;
  }();
  return all;
}

const ScalarFnInfo& info(ScalarFn fn) {
  const ScalarFnInfo& found = kFns[static_cast<size_t>(fn)];
  QUERN_CHECK(found.fn == fn);
  return found;
}

const ScalarFnInfo* findScalarFn(std::string_view name) {
  for (const ScalarFnInfo& fn : scalarFns())
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
  std::vector<std::string> args;
  for (const ScalarExprRef& arg : expr.args) args.push_back(text(*arg));
  return fmt::format("{}({})", info(expr.fn).name, join(args, ", "));
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

ScalarExprRef substituted(const ScalarExprRef& expr, std::string_view operand, const ScalarExprRef& by) {
  if (expr->kind == ScalarExpr::Kind::Operand) return expr->operand == operand ? by : expr;
  if (expr->kind != ScalarExpr::Kind::Call) return expr;
  std::vector<ScalarExprRef> args;
  for (const ScalarExprRef& arg : expr->args) args.push_back(substituted(arg, operand, by));
  return scalarCall(expr->fn, std::move(args));
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

bool callsFunction(const ScalarExpr& expr) {
  if (expr.kind == ScalarExpr::Kind::Call && !info(expr.fn).isOperator()) return true;
  return std::any_of(expr.args.begin(), expr.args.end(), [](const ScalarExprRef& arg) { return callsFunction(*arg); });
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
