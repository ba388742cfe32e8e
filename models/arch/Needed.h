// models/arch/Needed.h — values of a model's description, one after the other; the first thing wrong is kept.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/base/Text.h"

#include <cstdint>
#include <fmt/format.h>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>

namespace quern {

/// Over Metadata or JsonFields.
template <class T>
class Needed {
public:
  explicit Needed(const T& source) : source_(source) {}

  int64_t integer(const std::string& key, int64_t low = 1, int64_t high = int64_t{1} << 24) {
    return value(key, source_.integer(noted(key), low, high), int64_t{0});
  }
  int64_t integerOr(const std::string& key, int64_t fallback, int64_t low = 1, int64_t high = int64_t{1} << 24) {
    return valueOr(source_.integer(noted(key), low, high), fallback);
  }
  /// One size that has several names, of which the first is the one to miss; those that are there must agree.
  int64_t integerOf(std::initializer_list<const char*> keys, int64_t low = 1, int64_t high = int64_t{1} << 24) {
    std::optional<int64_t> found;
    for (const char* key : keys) {
      if (!source_.has(noted(key))) continue;
      int64_t value = integer(key, low, high);
      if (found && value != *found) refuse(key, std::to_string(value), fmt::format("{}, as '{}' says,", *found, *keys.begin()));
      found = found.value_or(value);
    }
    return found ? *found : integer(*keys.begin(), low, high);
  }
  double number(const std::string& key) { return value(key, source_.number(noted(key)), 0.0); }
  double numberOr(const std::string& key, double fallback) { return valueOr(source_.number(noted(key)), fallback); }
  bool flagOr(const std::string& key, bool fallback) { return valueOr(source_.boolean(noted(key)), fallback); }
  std::string stringOr(const std::string& key, const std::string& fallback) {
    auto found = source_.string(noted(key));
    if (!found) return fail(found.error()), fallback;
    return *found ? std::string(**found) : fallback;
  }
  /// A field whose value means something we do not build.
  void refuse(const std::string& key, const std::string& is, const std::string& needed) {
    fail(badInput(fmt::format("{}: '{}' is {}, {} is needed", escaped(source_.file()), escapedShort(key), escapedShort(is), needed)));
  }
  Result<void> status() const { return status_; }
  const std::string& file() const { return source_.file(); }
  /// The keys that were asked for.
  const std::set<std::string>& read() const { return read_; }
  /// A key that somebody reads by other means.
  const std::string& noted(const std::string& key) { return *read_.insert(key).first; }

  void fail(Error error) {
    if (status_) status_ = std::move(error);
  }

private:
  template <class V>
  V value(const std::string& key, const Result<std::optional<V>>& found, V nothing) {
    if (!found) return fail(found.error()), nothing;
    if (!*found) return fail(badInput(fmt::format("{}: '{}' is missing", escaped(source_.file()), escapedShort(key)))), nothing;
    return **found;
  }
  template <class V>
  V valueOr(const Result<std::optional<V>>& found, V fallback) {
    if (!found) return fail(found.error()), fallback;
    return found->value_or(fallback);
  }

  const T& source_;
  std::set<std::string> read_;
  Result<void> status_;
};

}  // namespace quern
