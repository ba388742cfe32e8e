// models/files/JsonValue.cpp — trees of Json.h and typed access to them.
#include "models/files/Json.h"

#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

std::optional<int64_t> JsonValue::integer() const {
  if (const auto* plain = as<int64_t>()) return *plain;
  if (const auto* large = as<uint64_t>(); large != nullptr && *large <= static_cast<uint64_t>(INT64_MAX))
    return static_cast<int64_t>(*large);
  return std::nullopt;
}

std::optional<double> JsonValue::number() const {
  if (const auto* plain = as<int64_t>()) return static_cast<double>(*plain);
  if (const auto* large = as<uint64_t>()) return static_cast<double>(*large);
  if (const auto* real = as<double>()) return *real;
  return std::nullopt;
}

const JsonValue* JsonValue::find(std::string_view key) const {
  const auto* object = as<JsonObject>();
  if (object == nullptr) return nullptr;
  for (const auto& [name, part] : *object)
    if (name == key) return &part;
  return nullptr;
}

const char* JsonValue::kind() const {
  static constexpr const char* kNames[] = {"null", "a bool", "an integer", "an integer", "a number", "a string", "an array", "an object"};
  return kNames[value.index()];
}

std::string JsonPlace::text() const {
  std::string all;
  for (const std::string& step : steps) {
    if (!all.empty()) all += ".";
    all += step;
  }
  return escapedShort(all);
}

const JsonValue* JsonFields::present(std::string_view key) const {
  const JsonValue* found = object_->find(key);
  return found == nullptr || found->as<std::nullptr_t>() != nullptr ? nullptr : found;
}

Error JsonFields::wrong(std::string_view key, const std::string& is, const std::string& needed) const {
  return badInput(fmt::format("{}: '{}' is {}, {}", escaped(file_), escapedShort(key), is, needed));
}

Result<std::optional<std::string_view>> JsonFields::string(std::string_view key) const {
  const JsonValue* found = present(key);
  if (found == nullptr) return std::optional<std::string_view>();
  if (const auto* text = found->as<std::string>()) return std::optional<std::string_view>(*text);
  return wrong(key, found->kind(), "a string is needed");
}

Result<std::optional<int64_t>> JsonFields::integer(std::string_view key, int64_t low, int64_t high) const {
  const JsonValue* found = present(key);
  if (found == nullptr) return std::optional<int64_t>();
  auto value = found->integer();
  if (value && *value >= low && *value <= high) return value;
  const auto* large = found->as<uint64_t>();
  const auto* real = found->as<double>();
  if (!value && large == nullptr && real == nullptr) return wrong(key, found->kind(), "an integer is needed");
  std::string shown = value ? std::to_string(*value) : large != nullptr ? std::to_string(*large) : shortest(*real);
  return wrong(key, shown, fmt::format("whole numbers from {} to {} are legal", low, high));
}

Result<std::optional<double>> JsonFields::number(std::string_view key) const {
  const JsonValue* found = present(key);
  if (found == nullptr) return std::optional<double>();
  if (auto value = found->number()) return value;
  return wrong(key, found->kind(), "a number is needed");
}

Result<std::optional<bool>> JsonFields::boolean(std::string_view key) const {
  const JsonValue* found = present(key);
  if (found == nullptr) return std::optional<bool>();
  if (const auto* value = found->as<bool>()) return std::optional<bool>(*value);
  return wrong(key, found->kind(), "true or false is needed");
}

}  // namespace quern
