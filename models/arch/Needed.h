// models/arch/Needed.h — values of a model's description, one after the other; the first thing wrong is kept.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/base/Text.h"

#include <cstdint>
#include <fmt/format.h>
#include <optional>
#include <string>

namespace quern {

/// Over Metadata or JsonFields.
template <class T>
class Needed {
public:
  explicit Needed(const T& source) : source_(source) {}

  int64_t integer(const std::string& key, int64_t low = 1, int64_t high = int64_t{1} << 24) {
    return value(key, source_.integer(key, low, high), int64_t{0});
  }
  int64_t integerOr(const std::string& key, int64_t fallback, int64_t low = 1, int64_t high = int64_t{1} << 24) {
    return valueOr(source_.integer(key, low, high), fallback);
  }
  double number(const std::string& key) { return value(key, source_.number(key), 0.0); }
  double numberOr(const std::string& key, double fallback) { return valueOr(source_.number(key), fallback); }
  bool flagOr(const std::string& key, bool fallback) { return valueOr(source_.boolean(key), fallback); }
  std::string stringOr(const std::string& key, const std::string& fallback) {
    auto found = source_.string(key);
    if (!found) return fail(found.error()), fallback;
    return *found ? std::string(**found) : fallback;
  }
  /// A field whose value means something we do not build.
  void refuse(const std::string& key, const std::string& is, const std::string& needed) {
    fail(badInput(fmt::format("{}: '{}' is {}, {} is needed", escaped(source_.file()), escapedShort(key), escapedShort(is), needed)));
  }
  Result<void> status() const { return status_; }
  const std::string& file() const { return source_.file(); }

private:
  void fail(Error error) {
    if (status_) status_ = std::move(error);
  }
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
  Result<void> status_;
};

}  // namespace quern
