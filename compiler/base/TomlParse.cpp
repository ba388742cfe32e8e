// compiler/base/TomlParse.cpp — text to TomlValue: the only file that includes toml++, none of whose asserts a file may reach.
#include "compiler/base/Text.h"
#include "compiler/base/Toml.h"

#include <algorithm>
#include <fmt/format.h>

namespace {
/// What the library throws where it would assert: text that it does not expect.
struct ParserLost {};
[[noreturn]] void loseParser() { throw ParserLost(); }
}  // namespace

// The asserts are the library's only answer to some malformed text; values nest as deep as a small stack bears.
#undef NDEBUG
#define TOML_ASSERT(condition) ((condition) ? void() : loseParser())
#define TOML_MAX_NESTED_VALUES 32
#include <toml++/toml.h>

namespace quern {

namespace {

TomlValue converted(const toml::node& node) {
  TomlValue out;
  out.line = static_cast<int>(node.source().begin.line);
  out.column = static_cast<int>(node.source().begin.column);
  if (const auto* table = node.as_table()) {
    out.kind = TomlValue::Kind::Table;
    for (const auto& [key, value] : *table) out.members.push_back({std::string(key.str()), converted(value)});
    std::stable_sort(out.members.begin(), out.members.end(), [](const auto& a, const auto& b) {
      return std::pair(a.value.line, a.value.column) < std::pair(b.value.line, b.value.column);
    });
  } else if (const auto* array = node.as_array()) {
    out.kind = TomlValue::Kind::Array;
    for (const toml::node& item : *array) out.items.push_back(converted(item));
  } else if (const auto* integer = node.as_integer()) {
    out.kind = TomlValue::Kind::Integer;
    out.integer = integer->get();
    out.number = static_cast<double>(out.integer);
  } else if (const auto* number = node.as_floating_point()) {
    out.kind = TomlValue::Kind::Float;
    out.number = number->get();
  } else if (const auto* boolean = node.as_boolean()) {
    out.kind = TomlValue::Kind::Boolean;
    out.boolean = boolean->get();
  } else if (const auto* string = node.as_string()) {
    out.kind = TomlValue::Kind::String;
    out.string = string->get();
  } else {
    out.kind = TomlValue::Kind::Date;
  }
  return out;
}

/// Where `at` bytes of the text end, counted as the library counts: code points from 1.
Error errorAt(std::string_view text, size_t at, const std::string& file, std::string_view what) {
  std::string_view before = text.substr(0, at);
  size_t lineStart = before.rfind('\n') + 1;  // 0 where there is none
  auto isFirst = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  return badInput(fmt::format("{}:{}:{}: {}", escaped(file), std::count(before.begin(), before.end(), '\n') + 1,
                              std::count_if(before.begin() + static_cast<std::ptrdiff_t>(lineStart), before.end(), isFirst) + 1, what));
}

/// The end of the string that begins at text[at], in its quotes; the text's end where it is left open.
size_t behindString(std::string_view text, size_t at) {
  char quote = text[at];
  std::string_view three = text.substr(at, 3);
  size_t quotes = three.size() == 3 && three[1] == quote && three[2] == quote ? 3 : 1;
  for (size_t i = at + quotes; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') ++i;
    else if (quotes == 1 && (text[i] == quote || text[i] == '\n')) return i + 1;
    else if (text.substr(i, quotes) == text.substr(at, quotes)) return i + quotes;
  }
  return text.size();
}

/// The first place where a key has more than kTomlKeyParts parts: each would be a table in a table, and taking such a tree apart
/// recurses. The text's size where there is none.
size_t endlessKey(std::string_view text) {
  int dots = 0;
  for (size_t i = 0; i < text.size();) {
    char c = text[i];
    if (c == '"' || c == '\'') {
      i = behindString(text, i);
      continue;
    }
    if (c == '#') i = std::min(text.find('\n', i), text.size() - 1);
    if (c == '.' && ++dots >= kTomlKeyParts) return i;
    if (std::string_view("=,[]{}\n#").find(c) != std::string_view::npos) dots = 0;
    ++i;
  }
  return text.size();
}

bool losesParser(std::string_view text) {
  try {
    (void)toml::parse(text);
  } catch (const toml::parse_error&) {
    return false;
  } catch (const ParserLost&) {
    return true;
  }
  return false;
}

/// The bytes up to which the parser follows: a beginning that loses it stays one when more is added.
size_t lostAt(std::string_view text) {
  size_t good = 0, bad = text.size();
  while (bad - good > 1) {
    size_t middle = good + (bad - good) / 2;
    (losesParser(text.substr(0, middle)) ? bad : good) = middle;
  }
  return good;
}

}  // namespace

Result<TomlValue> parseToml(std::string_view text, const std::string& file) {
  if (size_t at = endlessKey(text); at < text.size())
    return errorAt(text, at, file, fmt::format("a key of more than {} parts", kTomlKeyParts));
  try {
    return converted(toml::parse(text, file));
  } catch (const toml::parse_error& error) {
    return badInput(fmt::format("{}:{}:{}: {}", escaped(file), error.source().begin.line, error.source().begin.column,
                                escapedShort(error.description())));
  } catch (const ParserLost&) {
    return errorAt(text, lostAt(text), file, "not TOML from here on");
  }
}

}  // namespace quern
