// compiler/loops/ir/LoopLexer.h — tokens of the loop program's text form.
#pragma once

#include <string>
#include <string_view>

namespace quern {

struct LoopToken {
  enum class Kind { Name, Number, String, Sign, End };
  Kind kind = Kind::End;
  std::string text;
  int line = 1;
};

/// A number takes its suffix along: 12ix8, 1.5fx8, -inffx4. '-' before a digit starts a number unless an operand stands
/// before it. Names may hold '-' after the first letter only where a letter or digit follows directly (x86-64-v3).
class LoopLexer {
public:
  explicit LoopLexer(std::string_view text) : text_(text) {}
  LoopToken next();

private:
  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
  bool afterOperand_ = false;
};

}  // namespace quern
