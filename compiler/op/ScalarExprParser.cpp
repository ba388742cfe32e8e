// compiler/op/ScalarExprParser.cpp — recursive descent over the expression grammar of `map` and `ep`.
//
//   sum := product (('+'|'-') product)*      product := unary (('*'|'/') unary)*
//   unary := '-' unary | primary             primary := number | name | name '(' sum (',' sum)* ')' | '(' sum ')'
#include "compiler/base/Text.h"
#include "compiler/op/ScalarExpr.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <fmt/format.h>

namespace quern {

namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxLength = 4096;

class Parser {
public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<ScalarExprRef> run() {
    if (text_.size() > kMaxLength) return badCommand(fmt::format("expression: {} characters; at most {}", text_.size(), kMaxLength));
    ScalarExprRef expr = sum();
    if (peek() != 0) fail(fmt::format("unexpected '{}'", escaped(text_.substr(at_, 1))));
    if (!error_.empty()) return badCommand(fmt::format("expression '{}': {} at column {}", escaped(text_), error_, errorAt_ + 1));
    return expr;
  }

private:
  ScalarExprRef fail(std::string why) {
    if (error_.empty()) {
      error_ = std::move(why);
      errorAt_ = at_;
    }
    return scalarNumber(0);
  }
  char peek() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    return at_ < text_.size() && error_.empty() ? text_[at_] : char{0};
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  ScalarExprRef sum() {
    if (++depth_ > kMaxDepth) return fail(fmt::format("nested deeper than {}", kMaxDepth));
    ScalarExprRef left = product();
    while (peek() == '+' || peek() == '-') {
      ScalarFn fn = text_[at_++] == '+' ? ScalarFn::Add : ScalarFn::Sub;
      left = scalarCall(fn, {left, product()});
    }
    --depth_;
    return left;
  }
  ScalarExprRef product() {
    ScalarExprRef left = unary();
    while (peek() == '*' || peek() == '/') {
      ScalarFn fn = text_[at_++] == '*' ? ScalarFn::Mul : ScalarFn::Div;
      left = scalarCall(fn, {left, unary()});
    }
    return left;
  }
  ScalarExprRef unary() {
    bool negative = false;
    while (accept('-')) negative = !negative;
    ScalarExprRef value = primary();
    if (!negative) return value;
    if (value->kind == ScalarExpr::Kind::Number) return scalarNumber(-value->number);
    return scalarCall(ScalarFn::Neg, {value});
  }
  ScalarExprRef primary() {
    char c = peek();
    if (accept('(')) {
      ScalarExprRef inner = sum();
      if (!accept(')')) return fail("')' expected");
      return inner;
    }
    if (std::isdigit(static_cast<unsigned char>(c)) || c == '.') return number();
    if (std::isalpha(static_cast<unsigned char>(c)) || c == '_') return nameOrCall();
    return fail(c == 0 ? "ends where an operand was expected" : fmt::format("unexpected '{}'", escaped({&c, 1})));
  }
  ScalarExprRef number() {
    size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '.' ||
                                  ((text_[at_] == '-' || text_[at_] == '+') && (text_[at_ - 1] | 0x20) == 'e')))
      ++at_;
    auto value = parseDouble(text_.substr(begin, at_ - begin));
    if (!value || !std::isfinite(static_cast<float>(*value))) {
      at_ = begin;
      return fail("not a finite f32 number");
    }
    return scalarNumber(static_cast<float>(*value));
  }
  ScalarExprRef nameOrCall() {
    size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    std::string name(text_.substr(begin, at_ - begin));
    if (peek() != '(') return operand(std::move(name), begin);
    const ScalarFnInfo* fn = findScalarFn(name);
    if (fn == nullptr) {
      at_ = begin;
      std::vector<std::string> names;
      for (const ScalarFnInfo& known : scalarFns())
        if (findScalarFn(known.name) != nullptr) names.emplace_back(known.name);
      return fail(fmt::format("unknown function '{}'{}; functions: {}", name, didYouMean(name, names), join(names, " ")));
    }
    return call(*fn);
  }
  ScalarExprRef operand(std::string name, size_t begin) {
    if (findScalarFn(name) == nullptr) return scalarOperand(std::move(name));
    at_ = begin;
    return fail(fmt::format("'{}' is a function: write {}(...)", name, name));
  }
  ScalarExprRef call(const ScalarFnInfo& fn) {
    accept('(');
    std::vector<ScalarExprRef> args = {sum()};
    while (accept(',')) args.push_back(sum());
    if (!accept(')')) return fail("')' expected");
    if (static_cast<int>(args.size()) != fn.arity)
      return fail(fmt::format("{} takes {} argument{}, not {}", fn.name, fn.arity, fn.arity == 1 ? "" : "s", args.size()));
    return scalarCall(fn.fn, std::move(args));
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t errorAt_ = 0;
  int depth_ = 0;
  std::string error_;
};

}  // namespace

Result<ScalarExprRef> parseScalarExpr(std::string_view text) { return Parser(text).run(); }

/// Stages need no blank, parenthesis or other operator between them: bias+gelu_tanh+residual.
static std::optional<ScalarExprRef> parseStages(std::string_view text) {
  ScalarExprRef expr = scalarOperand("x");
  for (const std::string& part : split(text, '+')) {
    std::string stage(trim(part));
    const ScalarFnInfo* fn = findScalarFn(stage);
    if (stage == "bias" || stage == "residual") expr = scalarCall(ScalarFn::Add, {expr, scalarOperand(stage)});
    else if (fn != nullptr && fn->arity == 1) expr = scalarCall(fn->fn, {expr});
    else return std::nullopt;
  }
  return expr;
}

Result<ScalarExprRef> parseEpilogue(std::string_view text) {
  if (auto stages = parseStages(text)) return *stages;
  auto expr = parseScalarExpr(text);
  if (!expr) return expr;
  std::vector<std::string> names = operandsOf(**expr);
  if (std::find(names.begin(), names.end(), "x") == names.end())
    return badCommand(
        fmt::format("ep={}: x, the product, does not occur; stages are bias, residual and functions of "
                    "one argument joined by '+', or an expression in x",
                    quotedIfNeeded(escaped(text))));
  return expr;
}

}  // namespace quern
