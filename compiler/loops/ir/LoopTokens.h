// compiler/loops/ir/LoopTokens.h — what the parser takes tokens by: one ahead, and the first thing that was wrong.
#pragma once

#include "compiler/loops/ir/LoopLexer.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace quern {

/// The parser's lower half. After a failure there are no more tokens, and a number that is taken is as small as it may be.
class LoopTokens {
protected:
  explicit LoopTokens(std::string_view text) : lexer_(text) { advance(); }

  /// `why` and the token that stands there instead; the first one counts.
  void fail(const std::string& why);

  void advance() { token_ = lexer_.next(); }
  bool isWord(std::string_view w) const { return token_.kind == LoopToken::Kind::Name && token_.text == w; }
  bool isSign(std::string_view s) const { return token_.kind == LoopToken::Kind::Sign && token_.text == s; }
  void word(std::string_view w);
  void sign(std::string_view s);
  bool accept(std::string_view s);
  void expect(LoopToken::Kind kind, std::string_view what);
  std::string takeText(LoopToken::Kind kind, std::string_view what);
  int64_t takeInt(int64_t low, int64_t high, std::string_view what);

  LoopToken token_;
  std::string failed_;  ///< empty: nothing
  int failedLine_ = 0;

private:
  LoopLexer lexer_;
};

}  // namespace quern
