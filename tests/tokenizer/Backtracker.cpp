// tests/tokenizer/Backtracker.cpp — see Backtracker.h.
#include "tests/tokenizer/Backtracker.h"

#include <cstdlib>
#include <functional>
#include <utility>
#include <utf8proc.h>

namespace quern {

namespace {

struct Char {
  int32_t point;  ///< negative: a byte that is not UTF-8
  std::string bytes;
};

std::vector<Char> charsOf(const std::string& text) {
  std::vector<Char> out;
  for (size_t at = 0; at < text.size();) {
    utf8proc_int32_t point = -1;
    auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                                   static_cast<utf8proc_ssize_t>(text.size() - at), &point);
    if (length < 1) length = 1, point = -1;
    out.push_back({point, text.substr(at, static_cast<size_t>(length))});
    at += static_cast<size_t>(length);
  }
  return out;
}

/// 'L', 'N', 'P', ... of Unicode's general category.
char majorOf(int32_t point) { return point < 0 ? '?' : utf8proc_category_string(point)[0]; }

bool whiteSpace(int32_t point) {
  static constexpr int32_t kAll[] = {9,      10,     11,     12,     13,     32,     0x85,   0xa0,   0x1680, 0x2000, 0x2001, 0x2002, 0x2003,
                                     0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000};
  for (int32_t one : kAll)
    if (one == point) return true;
  return false;
}

}  // namespace

struct Backtracker::Node {
  enum Kind { Alternatives, Sequence, Class, Repeat, NotAhead } kind = Sequence;
  std::vector<std::unique_ptr<Node>> parts;
  int low = 1, high = 1;
  bool negated = false, anyCase = false;
  std::vector<std::function<bool(int32_t)>> members;

  bool has(int32_t point) const {
    bool found = false;
    for (const auto& member : members) found = found || member(point) || (anyCase && point >= 0 && folded(member, point));
    return found != negated;
  }
  /// Another character with the same simple case folding is a member.
  static bool folded(const std::function<bool(int32_t)>& member, int32_t point) {
    return member(utf8proc_tolower(point)) || member(utf8proc_toupper(point)) || member(utf8proc_tolower(utf8proc_toupper(point)));
  }

  using Then = std::function<bool(size_t)>;
  bool match(const std::vector<Char>& text, size_t at, const Then& then) const {
    switch (kind) {
      case Alternatives:
        for (const auto& part : parts)
          if (part->match(text, at, then)) return true;
        return false;
      case Sequence: return sequence(text, at, 0, then);
      case Class: return at < text.size() && has(text[at].point) && then(at + 1);
      case Repeat: return repeat(text, at, 0, then);
      case NotAhead: return !parts[0]->match(text, at, [](size_t) { return true; }) && then(at);
    }
    std::abort();
  }
  bool sequence(const std::vector<Char>& text, size_t at, size_t part, const Then& then) const {
    if (part == parts.size()) return then(at);
    return parts[part]->match(text, at, [&](size_t next) { return sequence(text, next, part + 1, then); });
  }
  bool repeat(const std::vector<Char>& text, size_t at, int done, const Then& then) const {
    if (done < high && parts[0]->match(text, at, [&](size_t next) { return next != at && repeat(text, next, done + 1, then); }))
      return true;
    return done >= low && then(at);
  }
};

struct Backtracker::Parser {
  std::string pattern;
  std::vector<Char> chars = charsOf(pattern);
  size_t at = 0;
  bool anyCase = false;

  explicit Parser(std::string_view text) : pattern(text) {}
  bool more() const { return at < chars.size(); }
  bool next(const char* text) {
    std::string wanted = text;
    if (at + wanted.size() > chars.size()) return false;
    for (size_t i = 0; i < wanted.size(); ++i)
      if (chars[at + i].point != wanted[i]) return false;
    at += wanted.size();
    return true;
  }

  std::unique_ptr<Node> alternatives() {
    auto node = std::make_unique<Node>();
    node->kind = Node::Alternatives;
    do node->parts.push_back(sequence());
    while (next("|"));
    return node;
  }
  std::unique_ptr<Node> sequence() {
    auto node = std::make_unique<Node>();
    while (more() && chars[at].point != '|' && chars[at].point != ')') node->parts.push_back(repeated());
    return node;
  }
  std::unique_ptr<Node> repeated() {
    auto inner = atom();
    int low = 1, high = 1;
    if (next("?")) low = 0;
    else if (next("*")) low = 0, high = 1 << 20;
    else if (next("+")) high = 1 << 20;
    else if (next("{1,3}")) high = 3;
    else return inner;
    auto node = std::make_unique<Node>();
    node->kind = Node::Repeat;
    node->low = low;
    node->high = high;
    node->parts.push_back(std::move(inner));
    return node;
  }
  std::unique_ptr<Node> atom() {
    if (next("(?!")) {
      auto node = std::make_unique<Node>();
      node->kind = Node::NotAhead;
      node->parts.push_back(alternatives());
      if (!next(")")) std::abort();
      return node;
    }
    bool caseBefore = anyCase;
    bool folds = next("(?i:");
    if (folds || next("(")) {
      anyCase = anyCase || folds;
      auto node = alternatives();
      if (!next(")")) std::abort();
      anyCase = caseBefore;
      return node;
    }
    auto node = std::make_unique<Node>();
    node->kind = Node::Class;
    node->anyCase = anyCase;
    if (!next("[")) {
      node->members.push_back(member());
      return node;
    }
    node->negated = next("^");
    while (!next("]")) node->members.push_back(member());
    return node;
  }
  std::function<bool(int32_t)> member() {
    for (char major : {'L', 'N', 'P'})
      if (next((std::string("\\p{") + major + "}").c_str())) return [major](int32_t point) { return majorOf(point) == major; };
    if (next("\\s")) return whiteSpace;
    if (next("\\S")) return [](int32_t point) { return !whiteSpace(point); };
    if (next("\\r")) return [](int32_t point) { return point == '\r'; };
    if (next("\\n")) return [](int32_t point) { return point == '\n'; };
    (void)next("\\");
    int32_t low = chars.at(at++).point;
    if (low != '0' || !next("-9")) return [low](int32_t point) { return point == low; };
    return [](int32_t point) { return point >= '0' && point <= '9'; };
  }
};

Backtracker::Backtracker(std::string_view pattern) {
  Parser parser(pattern);
  root_ = parser.alternatives();
  if (parser.more()) std::abort();
}
Backtracker::~Backtracker() = default;

std::vector<std::string> Backtracker::cut(const std::string& text) const {
  std::vector<Char> chars = charsOf(text);
  std::vector<std::string> out;
  std::string between;
  for (size_t at = 0; at < chars.size();) {
    size_t end = at;
    bool found = root_->match(chars, at, [&](size_t place) {
      end = place;
      return true;
    });
    if (!found || end == at) {
      between += chars[at++].bytes;
      continue;
    }
    if (!between.empty()) out.push_back(std::exchange(between, ""));
    for (out.emplace_back(); at < end; ++at) out.back() += chars[at].bytes;
  }
  if (!between.empty()) out.push_back(between);
  return out;
}

}  // namespace quern
