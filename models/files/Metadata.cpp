// models/files/Metadata.cpp — see Metadata.h.
#include "models/files/Metadata.h"

#include "compiler/base/Text.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

namespace quern {

bool Metadata::add(std::string_view key, MetadataValue value) { return values_.emplace(std::string(key), std::move(value)).second; }

static std::string kindOf(const MetadataValue& value) {
  static constexpr const char* kNames[] = {"an integer",          "an integer",          "a float",           "a bool", "a string",
                                           "an array of numbers", "an array of strings", "an array of arrays"};
  return kNames[value.index()];
}

/// The value of `key` as a T; `wanted` says what T is.
template <class T>
static Result<const T*> valueAs(const Metadata& metadata, std::string_view key, const char* wanted) {
  auto found = metadata.values().find(key);
  if (found == metadata.values().end()) return static_cast<const T*>(nullptr);
  if (const T* value = std::get_if<T>(&found->second)) return value;
  return badInput(
      fmt::format("{}: metadata '{}' is {}, {} is needed", escaped(metadata.file()), escapedShort(key), kindOf(found->second), wanted));
}

Result<std::optional<std::string_view>> Metadata::string(std::string_view key) const {
  auto value = valueAs<std::string_view>(*this, key, "a string");
  if (!value) return value.error();
  return *value == nullptr ? std::optional<std::string_view>() : **value;
}

Result<std::optional<bool>> Metadata::boolean(std::string_view key) const {
  auto value = valueAs<bool>(*this, key, "a bool");
  if (!value) return value.error();
  return *value == nullptr ? std::optional<bool>() : **value;
}

Result<std::optional<int64_t>> Metadata::integer(std::string_view key, int64_t low, int64_t high) const {
  auto found = values_.find(key);
  if (found == values_.end()) return std::optional<int64_t>();
  auto outside = [&](const std::string& shown) {
    return badInput(fmt::format("{}: metadata '{}' is {}, {} to {} are legal", escaped(file_), escapedShort(key), shown, low, high));
  };
  if (const auto* large = std::get_if<uint64_t>(&found->second)) {
    if (*large > static_cast<uint64_t>(INT64_MAX) || static_cast<int64_t>(*large) < low || static_cast<int64_t>(*large) > high)
      return outside(std::to_string(*large));
    return std::optional<int64_t>(static_cast<int64_t>(*large));
  }
  if (const auto* value = std::get_if<int64_t>(&found->second)) {
    if (*value < low || *value > high) return outside(std::to_string(*value));
    return std::optional<int64_t>(*value);
  }
  return badInput(fmt::format("{}: metadata '{}' is {}, an integer is needed", escaped(file_), escapedShort(key), kindOf(found->second)));
}

Result<std::optional<double>> Metadata::number(std::string_view key) const {
  auto found = values_.find(key);
  if (found == values_.end()) return std::optional<double>();
  if (const auto* large = std::get_if<uint64_t>(&found->second)) return std::optional<double>(static_cast<double>(*large));
  if (const auto* value = std::get_if<int64_t>(&found->second)) return std::optional<double>(static_cast<double>(*value));
  if (const auto* value = std::get_if<double>(&found->second)) {
    if (std::isfinite(*value)) return std::optional<double>(*value);
    return badInput(fmt::format("{}: metadata '{}' is {}, a finite number is needed", escaped(file_), escapedShort(key), *value));
  }
  return badInput(fmt::format("{}: metadata '{}' is {}, a number is needed", escaped(file_), escapedShort(key), kindOf(found->second)));
}

Result<std::span<const std::string_view>> Metadata::strings(std::string_view key) const {
  auto value = valueAs<std::vector<std::string_view>>(*this, key, "an array of strings");
  if (!value) return value.error();
  return *value == nullptr ? std::span<const std::string_view>() : std::span<const std::string_view>(**value);
}

/// Element i of `numbers` as an unsigned pattern of its bytes.
static uint64_t patternAt(const MetadataNumbers& numbers, size_t i) {
  uint64_t pattern = 0;
  auto each = static_cast<size_t>(numbers.bytesEach);
  std::memcpy(&pattern, numbers.bytes.data() + i * each, each);
  return pattern;
}

Result<std::vector<float>> Metadata::floats(std::string_view key) const {
  auto value = valueAs<MetadataNumbers>(*this, key, "an array of floats");
  if (!value) return value.error();
  std::vector<float> out;
  if (*value == nullptr) return out;
  const MetadataNumbers& numbers = **value;
  if (numbers.kind != MetadataNumbers::Kind::Float)
    return badInput(
        fmt::format("{}: metadata '{}' is an array of integers, an array of floats is needed", escaped(file_), escapedShort(key)));
  auto count = static_cast<size_t>(numbers.count());
  out.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    uint64_t pattern = patternAt(numbers, i);
    out.push_back(numbers.bytesEach == 4 ? std::bit_cast<float>(static_cast<uint32_t>(pattern))
                                         : static_cast<float>(std::bit_cast<double>(pattern)));
  }
  return out;
}

Result<std::vector<int32_t>> Metadata::integers(std::string_view key) const {
  auto value = valueAs<MetadataNumbers>(*this, key, "an array of integers");
  if (!value) return value.error();
  std::vector<int32_t> out;
  if (*value == nullptr) return out;
  const MetadataNumbers& numbers = **value;
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: metadata '{}' {}", escaped(file_), escapedShort(key), why)); };
  if (numbers.kind == MetadataNumbers::Kind::Float) return bad("is an array of floats, an array of integers is needed");
  auto count = static_cast<size_t>(numbers.count());
  int unused = 64 - 8 * numbers.bytesEach;
  out.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    uint64_t pattern = patternAt(numbers, i);
    bool isSigned = numbers.kind == MetadataNumbers::Kind::Signed;
    int64_t number = isSigned ? static_cast<int64_t>(pattern << unused) >> unused : static_cast<int64_t>(pattern);
    bool wrapped = !isSigned && pattern > INT32_MAX;
    if (wrapped || number < INT32_MIN || number > INT32_MAX)
      return bad(fmt::format("has {} at {}, 32-bit integers are needed", wrapped ? std::to_string(pattern) : std::to_string(number), i));
    out.push_back(static_cast<int32_t>(number));
  }
  return out;
}

}  // namespace quern
