// models/tokenizer/PatternSyntax.cpp — pcrePattern of PatternCutter.h: from Oniguruma, with the syntax of Ruby, to PCRE2.
#include "models/tokenizer/PatternCutter.h"

#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

namespace {

/// \w of Oniguruma, as the inside of a class.
constexpr std::string_view kWordClass = R"(\p{L}\p{M}\p{Nd}\p{Pc})";

class Translator {
public:
  explicit Translator(std::string_view from) : from_(from) {}

  Result<std::string> run() {
    while (good_ && at_ < from_.size()) step();
    if (!good_) return good_.error();
    return std::move(out_);
  }

private:
  char peek(size_t ahead = 0) const { return at_ + ahead < from_.size() ? from_[at_ + ahead] : '\0'; }
  void refuse(std::string_view what) {
    if (good_) good_ = badInput(fmt::format("the pattern '{}' has {}, which is not read", escaped(from_.substr(0, 1000)), what));
  }

  void step() {
    char c = peek();
    if (c == '\\') return atom([&] { escape(false); });
    if (c == '[') return atom([&] { charClass(); });
    if (c == '(') return open();
    if (c == ')') return close();
    if (c == '{' && peek(1) >= '0' && peek(1) <= '9') return interval();
    bool operates = c == '?' || c == '*' || c == '+' || c == '|';
    if (!operates) atomBegin_ = out_.size();
    out_ += c;
    ++at_;
    if (static_cast<unsigned char>(c) >= 0xc0)  // the rest of a character
      while ((static_cast<unsigned char>(peek()) & 0xc0) == 0x80) out_ += from_[at_++];
  }

  template <class Body>
  void atom(const Body& body) {
    atomBegin_ = out_.size();
    body();
  }

  void open() {
    groups_.push_back(out_.size());
    if (peek(1) == '?' && (peek(2) == 'm' || peek(2) == 'x')) return refuse(fmt::format("'(?{}'", peek(2)));
    out_ += '(';
    ++at_;
    if (peek() != '?') return;
    out_ += '?';  // no quantifier
    ++at_;
  }

  void close() {
    if (groups_.empty()) return refuse("a ')' without '('");
    atomBegin_ = groups_.back();
    groups_.pop_back();
    out_ += ')';
    ++at_;
  }

  /// {n,m}; a + behind it repeats the whole, where PCRE2 would not let go of what it took.
  void interval() {
    size_t end = from_.find('}', at_);
    if (end == std::string_view::npos) return refuse("a '{' without '}'");
    out_ += from_.substr(at_, end + 1 - at_);
    at_ = end + 1;
    if (peek() != '+') return;
    out_.insert(atomBegin_, "(?:");
    out_ += ")+";
    ++at_;
  }

  void escape(bool inClass) {
    char c = peek(1);
    at_ += 2;
    auto put = [&](std::string_view inside, bool negated) {
      if (inClass && negated) return refuse(fmt::format("'\\{}' inside a class", c));
      out_ += inClass ? std::string(inside) : fmt::format("[{}{}]", negated ? "^" : "", inside);
    };
    switch (c) {
      case 's': return put(kWhiteSpaceClass, false);
      case 'S':
        if (inClass) out_ += "\\S";
        else put(kWhiteSpaceClass, true);
        return;
      case 'w': return put(kWordClass, false);
      case 'W': return put(kWordClass, true);
      case 'h': return put("0-9a-fA-F", false);
      case 'H': return put("0-9a-fA-F", true);
      case 'v': out_ += "\\x0b"; return;
      case 'u':
        out_ += fmt::format("\\x{{{}}}", from_.substr(std::min(at_, from_.size()), 4));
        at_ += 4;
        return;
      case 'p':
      case 'P':
      case 'x': return named(c);
      default: break;
    }
    auto byte = static_cast<unsigned char>(c);
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    constexpr std::string_view kSame = "dDbBAzZnrtfea";
    if (c == '\0' || byte >= 0x80 || (letter && kSame.find(c) == std::string_view::npos)) return refuse(fmt::format("'\\{}'", c));
    out_ += '\\';
    out_ += c;
  }

  /// \p{L}, \pL, \x{20}, \x20: what follows belongs to it.
  void named(char c) {
    out_ += '\\';
    out_ += c;
    size_t end = peek() == '{' ? from_.find('}', at_) : std::string_view::npos;
    if (end == std::string_view::npos) return;
    out_ += from_.substr(at_, end + 1 - at_);
    at_ = end + 1;
  }

  void charClass() {
    out_ += from_[at_++];
    if (peek() == '^') out_ += from_[at_++];
    if (peek() == ']') return refuse("an empty class");
    while (at_ < from_.size() && peek() != ']') {
      if (peek() == '\\') escape(true);
      else if (peek() == '[' && peek(1) == ':') {
        size_t end = from_.find(":]", at_);
        if (end == std::string_view::npos) return refuse("a '[:' without ':]'");
        out_ += from_.substr(at_, end + 2 - at_);
        at_ = end + 2;
      } else if (peek() == '[' || (peek() == '&' && peek(1) == '&')) return refuse("a class inside a class");
      else out_ += from_[at_++];
      if (!good_) return;
    }
    if (at_ == from_.size()) return refuse("a '[' without ']'");
    out_ += from_[at_++];
  }

  std::string_view from_;
  size_t at_ = 0, atomBegin_ = 0;
  std::vector<size_t> groups_;
  std::string out_;
  Result<void> good_;
};

}  // namespace

Result<std::string> pcrePattern(std::string_view oniguruma) {
  // At a blank that is not the last of its row, this one as it stands would look at all the rest.
  if (oniguruma == R"(\s+$)") return fmt::format("(?<![{0}])[{0}]++$", kWhiteSpaceClass);
  return Translator(oniguruma).run();
}

}  // namespace quern
