// compiler/loops/ir/LoopLexer.cpp — see LoopLexer.h.
#include "compiler/loops/ir/LoopLexer.h"

#include <cctype>

namespace quern {

static bool isWordChar(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

static bool startsNumber(std::string_view rest) {
  if (rest.starts_with("inff") || rest.starts_with("nanf")) return rest.size() == 4 || !isWordChar(rest[4]) || rest[4] == 'x';
  return !rest.empty() && std::isdigit(static_cast<unsigned char>(rest[0])) != 0;
}

/// Length of the number at the front of `rest`: digits, point, exponent, and the suffix letters behind it.
static size_t numberLength(std::string_view rest) {
  size_t n = rest[0] == '-' ? 1 : 0;
  while (n < rest.size()) {
    bool exponentSign = (rest[n] == '+' || rest[n] == '-') && rest[n - 1] == 'e';
    if (!isWordChar(rest[n]) && rest[n] != '.' && !exponentSign) break;
    ++n;
  }
  return n;
}

LoopToken LoopLexer::next() {
  while (at_ < text_.size() && (std::isspace(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '#')) {
    if (text_[at_] == '#')
      while (at_ + 1 < text_.size() && text_[at_ + 1] != '\n') ++at_;
    if (text_[at_] == '\n') ++line_;
    ++at_;
  }
  std::string_view rest = text_.substr(at_);
  if (rest.empty()) return {LoopToken::Kind::End, {}, line_};
  size_t length = 1;
  LoopToken::Kind kind = LoopToken::Kind::Sign;
  if (startsNumber(rest) || (rest[0] == '-' && !afterOperand_ && startsNumber(rest.substr(1)))) {
    kind = LoopToken::Kind::Number;
    length = numberLength(rest);
  } else if (isWordChar(rest[0])) {
    kind = LoopToken::Kind::Name;
    while (length < rest.size() &&
           (isWordChar(rest[length]) || (rest[length] == '-' && length + 1 < rest.size() && isWordChar(rest[length + 1]))))
      ++length;
  } else if (size_t close = rest.find_first_of("\"\n", 1); rest[0] == '"' && close != std::string_view::npos && rest[close] == '"') {
    at_ += close + 1;
    afterOperand_ = true;
    return {LoopToken::Kind::String, std::string(rest.substr(1, close - 1)), line_};
  } else {  // a quote that stays open on its line is a sign that nothing expects
    for (std::string_view sign : {">>>", "<<", ">>", "<=", "==", "!="})
      if (rest.starts_with(sign)) {
        length = sign.size();
        break;
      }
  }
  std::string text(rest.substr(0, length));
  at_ += length;
  afterOperand_ = kind == LoopToken::Kind::Number || kind == LoopToken::Kind::Name || text == ")" || text == "]";
  return {kind, text, line_};
}

}  // namespace quern
