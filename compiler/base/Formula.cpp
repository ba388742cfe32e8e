// compiler/base/Formula.cpp — see Formula.h.
#include "compiler/base/Formula.h"

#include "compiler/base/Checked.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace quern {

Formula::Formula(int64_t constant) : items_{{Step::Constant, constant}}, text_(std::to_string(constant)) {}

/// Recursive descent into postfix items; `depth` bounds both recursion and the evaluation stack.
class FormulaParser {
public:
  FormulaParser(std::string_view text, std::span<const std::string> names) : text_(text), names_(names) {}

  Result<Formula> run() {
    sum();
    skip();
    if (error_.empty() && at_ != text_.size()) fail("unexpected text");
    if (!error_.empty()) return badInput(fmt::format("formula '{}': {} at column {}", escaped(text_), error_, at_ + 1));
    out_.text_ = std::string(trim(text_));
    return std::move(out_);
  }

private:
  using Step = Formula::Step;

  void fail(std::string why) {
    if (error_.empty()) error_ = std::move(why);
  }
  void skip() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool accept(char c) {
    skip();
    if (!error_.empty() || at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void push(Step step, int64_t value = 0) { out_.items_.push_back({step, value}); }

  void sum() {
    product();
    while (error_.empty()) {
      bool plus = accept('+');
      if (!plus && !accept('-')) return;
      product();
      push(plus ? Step::Add : Step::Sub);
    }
  }
  void product() {
    atom();
    while (error_.empty()) {
      Step step = accept('*') ? Step::Mul : accept('/') ? Step::Div : accept('%') ? Step::Mod : Step::Constant;
      if (step == Step::Constant) return;
      atom();
      push(step);
    }
  }
  void atom() {
    if (++depth_ > Formula::kMaxDepth) return fail("nested too deeply");
    skip();
    if (accept('(')) {
      sum();
      if (!accept(')')) fail("')' expected");
    } else if (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) {
      number();
    } else {
      nameOrCall();
    }
    --depth_;
  }
  void number() {
    size_t begin = at_;
    while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) ++at_;
    auto value = parseInt(text_.substr(begin, at_ - begin));
    if (!value) return fail("number out of range");
    push(Step::Constant, *value);
  }
  void nameOrCall() {
    size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    std::string word(text_.substr(begin, at_ - begin));
    if (word.empty()) return fail("a number or a name expected");
    if (word == "ceildiv") return call(Step::CeilDiv);
    if (word == "min") return call(Step::Min);
    if (word == "max") return call(Step::Max);
    auto found = std::find(names_.begin(), names_.end(), word);
    if (found == names_.end()) return fail(fmt::format("unknown name '{}'", word));
    push(Step::Name, found - names_.begin());
  }
  void call(Step step) {
    if (!accept('(')) return fail("'(' expected");
    sum();
    if (!accept(',')) return fail("',' expected");
    sum();
    if (!accept(')')) return fail("')' expected");
    push(step);
  }

  std::string_view text_;
  std::span<const std::string> names_;
  size_t at_ = 0;
  size_t depth_ = 0;
  std::string error_;
  Formula out_ = [] {
    Formula empty;
    empty.items_.clear();
    return empty;
  }();
};

Result<Formula> Formula::parse(std::string_view text, std::span<const std::string> names) { return FormulaParser(text, names).run(); }

std::optional<int64_t> Formula::evaluate(std::span<const int64_t> values) const {
  int64_t stack[2 * kMaxDepth + 2];
  size_t top = 0;
  for (const Item& item : items_) {
    if (item.step == Step::Constant || item.step == Step::Name) {
      if (top == std::size(stack)) return std::nullopt;
      if (item.step == Step::Name && static_cast<size_t>(item.value) >= values.size()) return std::nullopt;
      stack[top++] = item.step == Step::Constant ? item.value : values[static_cast<size_t>(item.value)];
      continue;
    }
    int64_t b = stack[--top];
    int64_t a = stack[top - 1];
    std::optional<int64_t> value;
    switch (item.step) {
      case Step::Add: value = checkedAdd(a, b); break;
      case Step::Sub: value = checkedSub(a, b); break;
      case Step::Mul: value = checkedMul(a, b); break;
      case Step::Div:
        if (b > 0) value = a / b;
        break;
      case Step::Mod:
        if (b > 0) value = a % b;
        break;
      case Step::CeilDiv:
        if (b > 0 && checkedAdd(a, b - 1)) value = ceilDiv(a, b);
        break;
      case Step::Min: value = std::min(a, b); break;
      case Step::Max: value = std::max(a, b); break;
      default: break;
    }
    if (!value) return std::nullopt;
    stack[top - 1] = *value;
  }
  return stack[0];
}

}  // namespace quern
