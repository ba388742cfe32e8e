// compiler/base/Formula.h — small integer formulas over named dimensions: task counts, scratch and packed sizes.
#pragma once

#include "compiler/base/Result.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// An integer formula such as `ceildiv(m, 96) * 4`, over names bound at evaluation time.
///
/// Grammar  sum := product (('+'|'-') product)*; product := atom (('*'|'/'|'%') atom)*;
///          atom := integer | name | '(' sum ')' | ('ceildiv'|'min'|'max') '(' sum ',' sum ')'
/// Numeric  int64; '/' and '%' round towards zero and are used on non-negative values.
/// Cost     evaluate() makes no allocation.
class Formula {
public:
  Formula() : Formula(0) {}
  explicit Formula(int64_t constant);

  /// Errors   BadInput naming the formula and the place; `names` lists the dimensions that may occur.
  static Result<Formula> parse(std::string_view text, std::span<const std::string> names);

  /// `values[i]` is the value of names[i] at parse time. nullopt when something overflows or divides by zero.
  std::optional<int64_t> evaluate(std::span<const int64_t> values) const;

  const std::string& text() const { return text_; }
  bool operator==(const Formula& other) const { return text_ == other.text_; }

private:
  friend class FormulaParser;
  enum class Step : uint8_t { Constant, Name, Add, Sub, Mul, Div, Mod, CeilDiv, Min, Max };
  struct Item {
    Step step;
    int64_t value;
  };
  static constexpr size_t kMaxDepth = 24;

  std::vector<Item> items_;  // postfix
  std::string text_;
};

}  // namespace quern
