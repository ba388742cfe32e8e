// compiler/op/ScalarExpr.h — elementwise expressions: what `map` computes and what a matmul's epilogue applies.
#pragma once

#include "compiler/ActivationList.h"
#include "compiler/base/Result.h"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

struct ActivationInfo;

/// Every function of the expression language; operators are functions with a sign for a name.
/// Numeric  each operator and each function rounds once to f32 (nothing is contracted); limits: compiler/README.md.
enum class ScalarFn : uint8_t {
  Add,
  Sub,
  Mul,
  Div,
  Neg,
  Max,
  Min,
  Abs,
  Sqrt,
  Where,
  Clamp,
  Equal,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  Pow,
#define QUERN_FN(Name) Name,
  QUERN_ACTIVATIONS(QUERN_FN)  // activations/Name.h
#undef QUERN_FN
};

struct ScalarFnInfo {
  ScalarFn fn;
  std::string_view name;  ///< "+" ... or the function's name
  int arity;
  int flops;  ///< operations of the formula itself, counted once per element (not those of its polynomial)
  std::string_view formula;
  const ActivationInfo* activation;  ///< null: an operator, or pow
  bool isOperator() const { return fn < ScalarFn::Pow; }
};

/// Those of the expression language, operators first.
std::span<const ScalarFnInfo> scalarFns();
const ScalarFnInfo& info(ScalarFn fn);
/// nullptr where there is no such function.
const ScalarFnInfo* findScalarFn(std::string_view name);

struct ScalarExpr;
using ScalarExprRef = std::shared_ptr<const ScalarExpr>;

/// An immutable tree: a number, an operand by name, or a function of one to three expressions.
struct ScalarExpr {
  enum class Kind : uint8_t { Number, Operand, Call };
  Kind kind = Kind::Number;
  float number = 0;
  std::string operand;
  ScalarFn fn = ScalarFn::Add;
  std::vector<ScalarExprRef> args;
};

ScalarExprRef scalarNumber(float value);
ScalarExprRef scalarOperand(std::string name);
ScalarExprRef scalarCall(ScalarFn fn, std::vector<ScalarExprRef> args);

/// Errors   BadCommand: what stands where, and what would be right.
Result<ScalarExprRef> parseScalarExpr(std::string_view text);
/// parse(text(x)) has the same tree as x.
std::string text(const ScalarExpr& expr);
/// `expr` with another expression in the place of an operand.
ScalarExprRef substituted(const ScalarExprRef& expr, std::string_view operand, const ScalarExprRef& by);
bool sameExpr(const ScalarExprRef& a, const ScalarExprRef& b);
/// Operand names in the order they first appear.
std::vector<std::string> operandsOf(const ScalarExpr& expr);
double flopsOf(const ScalarExpr& expr);
/// Whether a function that is no operator is in it.
bool callsFunction(const ScalarExpr& expr);

/// `ep=` text: stages joined by '+', applied left to right to x (`bias`: x + bias, `residual`: x + residual, a function
/// of one argument: f(x)), or any expression in which x is the product.
Result<ScalarExprRef> parseEpilogue(std::string_view text);
/// The stage form where the tree has one, else the expression.
std::string epilogueText(const ScalarExpr& expr);

}  // namespace quern
