// compiler/base/Toml.cpp — tables taken apart, key by key. Parsing: TomlParse.cpp.
#include "compiler/base/Toml.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

const TomlValue* TomlValue::find(std::string_view key) const {
  for (const auto& [name, value] : members)
    if (name == key) return &value;
  return nullptr;
}

Result<TomlValue> readToml(const std::string& file) {
  constexpr int64_t kMost = int64_t{64} << 20;
  auto text = readFile(file, kMost);
  if (!text) return text.error();
  return parseToml(*text, file);
}

TomlReader::TomlReader(const TomlValue& table, std::string file) : table_(table), file_(std::move(file)) {}

void TomlReader::fail(const TomlValue* value, std::string message) {
  if (error_) return;
  const TomlValue& at = value != nullptr ? *value : table_;
  error_ = badInput(fmt::format("{}:{}:{}: {}", escaped(file_), at.line, at.column, message));
}

const TomlValue* TomlReader::take(std::string_view key) {
  known_.emplace_back(key);
  return table_.find(key);
}

std::string_view kindName(TomlValue::Kind kind) {
  constexpr std::string_view names[] = {"a string", "a whole number", "a number", "true or false", "a date or time", "an array", "a table"};
  return names[static_cast<size_t>(kind)];
}

const TomlValue* TomlReader::need(std::string_view key, TomlValue::Kind kind, std::string_view wanted) {
  const TomlValue* value = take(key);
  if (value == nullptr) return nullptr;
  bool number = kind == TomlValue::Kind::Float && value->kind == TomlValue::Kind::Integer;
  if (value->kind == kind || number) return value;
  fail(value, fmt::format("{} is {}, {} is needed", key, kindName(value->kind), wanted));
  return nullptr;
}

std::optional<std::string> TomlReader::takeString(std::string_view key) {
  const TomlValue* value = need(key, TomlValue::Kind::String, "a string");
  if (value == nullptr) return std::nullopt;
  return value->string;
}

std::string TomlReader::needString(std::string_view key) {
  auto value = takeString(key);
  if (!value) fail(nullptr, fmt::format("{} is missing", key));
  return value.value_or("");
}

int64_t TomlReader::takeInt(std::string_view key, std::optional<int64_t> fallback, int64_t low, int64_t high) {
  const TomlValue* value = need(key, TomlValue::Kind::Integer, "a whole number");
  if (value == nullptr) {
    if (!fallback) fail(nullptr, fmt::format("{} is missing", key));
    return fallback.value_or(low);
  }
  if (value->integer < low || value->integer > high)
    fail(value, fmt::format("{} = {} is not from {} to {}", key, value->integer, low, high));
  return std::clamp(value->integer, low, high);
}

double TomlReader::takeNumber(std::string_view key, std::optional<double> fallback) {
  const TomlValue* value = need(key, TomlValue::Kind::Float, "a number");
  if (value == nullptr && !fallback) fail(nullptr, fmt::format("{} is missing", key));
  return value != nullptr ? value->number : fallback.value_or(0);
}

bool TomlReader::takeBool(std::string_view key, bool fallback) {
  const TomlValue* value = need(key, TomlValue::Kind::Boolean, "true or false");
  return value != nullptr ? value->boolean : fallback;
}

std::vector<const TomlValue*> TomlReader::takeTables(std::string_view key) {
  std::vector<const TomlValue*> tables;
  const TomlValue* value = need(key, TomlValue::Kind::Array, "an array of tables");
  if (value == nullptr) return tables;
  for (const TomlValue& item : value->items) {
    if (item.kind != TomlValue::Kind::Table) fail(&item, fmt::format("{} holds {}, tables are needed", key, kindName(item.kind)));
    tables.push_back(&item);
  }
  return tables;
}

std::vector<std::string> TomlReader::takeStrings(std::string_view key) {
  std::vector<std::string> strings;
  const TomlValue* value = need(key, TomlValue::Kind::Array, "an array of strings");
  if (value == nullptr) return strings;
  for (const TomlValue& item : value->items) {
    if (item.kind != TomlValue::Kind::String) fail(&item, fmt::format("{} holds {}, strings are needed", key, kindName(item.kind)));
    strings.push_back(item.string);
  }
  return strings;
}

std::vector<double> TomlReader::takeNumbers(std::string_view key) {
  std::vector<double> numbers;
  const TomlValue* value = need(key, TomlValue::Kind::Array, "an array of numbers");
  if (value == nullptr) return numbers;
  for (const TomlValue& item : value->items) {
    bool isNumber = item.kind == TomlValue::Kind::Integer || item.kind == TomlValue::Kind::Float;
    if (!isNumber) fail(&item, fmt::format("{} holds {}, numbers are needed", key, kindName(item.kind)));
    numbers.push_back(item.number);
  }
  return numbers;
}

Result<void> TomlReader::finish() {
  if (table_.kind != TomlValue::Kind::Table) fail(nullptr, fmt::format("{} where a table is needed", kindName(table_.kind)));
  for (const auto& [key, value] : table_.members) {
    if (error_) break;
    if (std::find(known_.begin(), known_.end(), key) == known_.end())
      fail(&value, fmt::format("unknown key '{}'{}; keys: {}", escaped(key), didYouMean(key, known_), join(known_, " ")));
  }
  if (error_) return *error_;
  return {};
}

std::string tomlQuoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    else out += c;
  }
  return out + "\"";
}

}  // namespace quern
