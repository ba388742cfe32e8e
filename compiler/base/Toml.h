// compiler/base/Toml.h — TOML as plain values with positions; the parsing library stays in TomlParse.cpp.
#pragma once

#include "compiler/base/Result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

struct TomlMember;

/// One TOML value. Tables keep the file's order.
struct TomlValue {
  enum class Kind : uint8_t { String, Integer, Float, Boolean, Date, Array, Table };
  Kind kind = Kind::Table;
  std::string string;
  int64_t integer = 0;
  double number = 0;  ///< of an Integer too
  bool boolean = false;
  std::vector<TomlValue> items;     ///< Array
  std::vector<TomlMember> members;  ///< Table
  int line = 0, column = 0;

  const TomlValue* find(std::string_view key) const;
};

struct TomlMember {
  std::string key;
  TomlValue value;
};

/// Errors   BadInput "file:line:column: what", for any bytes: also a key of more than kTomlKeyParts parts, values nested deeper than 32.
inline constexpr int kTomlKeyParts = 32;
Result<TomlValue> parseToml(std::string_view text, const std::string& file);

/// Reads the file, then parseToml.
Result<TomlValue> readToml(const std::string& file);

/// Takes the members of a table one by one and remembers the first thing that was wrong (see KeyReader).
class TomlReader {
public:
  TomlReader(const TomlValue& table, std::string file);

  const TomlValue* take(std::string_view key);
  std::optional<std::string> takeString(std::string_view key);
  std::string needString(std::string_view key);
  int64_t takeInt(std::string_view key, std::optional<int64_t> fallback, int64_t low, int64_t high);
  double takeNumber(std::string_view key, std::optional<double> fallback);
  bool takeBool(std::string_view key, bool fallback);
  /// Arrays of tables `[[key]]`; empty where absent.
  std::vector<const TomlValue*> takeTables(std::string_view key);
  std::vector<std::string> takeStrings(std::string_view key);
  std::vector<double> takeNumbers(std::string_view key);
  /// Notes an error at the position of `value` (of the table where it is null).
  void fail(const TomlValue* value, std::string message);
  /// The first error noted, or one for a key that nobody took.
  Result<void> finish();
  const std::string& file() const { return file_; }
  const TomlValue& table() const { return table_; }

private:
  const TomlValue* need(std::string_view key, TomlValue::Kind kind, std::string_view kindName);

  const TomlValue& table_;
  std::string file_;
  std::vector<std::string> known_;
  std::optional<Error> error_;
};

/// "a string", "a whole number" ...: how messages name what was found.
std::string_view kindName(TomlValue::Kind kind);

/// A string as a TOML basic string, quotes and all.
std::string tomlQuoted(std::string_view text);

}  // namespace quern
