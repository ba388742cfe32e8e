// tools/quern/cli/Json.h — JSON results; members in the order in which they are added.
#pragma once

#include "compiler/base/Variants.h"

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

namespace quern {

/// A value to be written: null, a bool, a number, text, a list, or an object: braces around {key, value} pairs.
class Json {
public:
  struct Member;

  Json() = default;
  Json(std::initializer_list<Member> members);
  template <class T>
    requires std::is_arithmetic_v<T>
  Json(T value) : value_(static_cast<Widest<T>>(value)) {}
  template <std::convertible_to<std::string_view> T>
  Json(const T& text) : value_(std::string(std::string_view(text))) {}
  template <class T>
  Json(const std::vector<T>& list) : value_(std::vector<Json>(list.begin(), list.end())) {}
  template <class T>
  Json(const std::map<std::string, T>& members);

  static Json array() { return std::vector<Json>(); }
  static Json object() { return std::map<std::string, Json>(); }

  /// The member `key`, null where it is new; null becomes an object. Cost: grows with the members.
  Json& operator[](std::string_view key);
  /// To a list; null becomes one.
  void push_back(Json value);
  void update(std::initializer_list<Member> members);

  const std::vector<Json>* list() const { return std::get_if<std::vector<Json>>(&value_); }
  const std::string* text() const { return std::get_if<std::string>(&value_); }
  /// Null where this is no object or has no such member.
  const Json* find(std::string_view key) const;

private:
  template <class T>
  using Widest = std::conditional_t<
      std::is_same_v<T, bool>, bool,
      std::conditional_t<std::is_floating_point_v<T>, double, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>>;
  friend class JsonWriter;

  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, std::vector<Json>, std::vector<Member>, NeverHeld> value_;
};

struct Json::Member {
  std::string key;
  Json value;
};

template <class T>
Json::Json(const std::map<std::string, T>& members) : value_(std::vector<Member>()) {
  for (const auto& [key, value] : members) std::get<std::vector<Member>>(value_).push_back({key, value});
}

/// Indented, with a newline at the end. NaN and Inf become null, bytes that are not UTF-8 U+FFFD.
std::string jsonText(const Json& value);
/// On one line without blanks.
std::string compactText(const Json& value);

}  // namespace quern
