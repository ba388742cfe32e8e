// models/files/Metadata.h — the key/value pairs of a GGUF file, typed when they are asked for.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/base/Variants.h"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace quern {

/// An array of numbers where it lies in the file: little-endian, `bytesEach` apart, not necessarily aligned.
struct MetadataNumbers {
  enum class Kind : uint8_t { Unsigned, Signed, Float, Bool };
  Kind kind = Kind::Unsigned;
  int bytesEach = 1;
  std::string_view bytes;

  int64_t count() const { return static_cast<int64_t>(bytes.size()) / bytesEach; }
};

/// An array of arrays, kept as it lies in the file: nothing asks for one yet.
struct MetadataArrays {
  int64_t count = 0;
  std::string_view bytes;
};

/// Strings are views of the mapped file, which the owner of the Metadata keeps.
using MetadataValue = std::variant<uint64_t, int64_t, double, bool, std::string_view, MetadataNumbers, std::vector<std::string_view>,
                                   MetadataArrays, NeverHeld>;

/// Typed access. Every getter: nothing where the key is absent; an Error naming file, key, what it is and what is needed
/// where the value is of another kind or outside [low, high]. Names and values are escaped in messages.
class Metadata {
public:
  explicit Metadata(std::string file = "") : file_(std::move(file)) {}

  const std::string& file() const { return file_; }
  /// False where the key is there already.
  bool add(std::string_view key, MetadataValue value);
  /// False where the key is not there.
  bool remove(const std::string& key) { return values_.erase(key) != 0; }
  bool has(std::string_view key) const { return values_.find(key) != values_.end(); }

  Result<std::optional<std::string_view>> string(std::string_view key) const;
  /// Any integer type.
  Result<std::optional<int64_t>> integer(std::string_view key, int64_t low, int64_t high) const;
  /// Any number type; finite.
  Result<std::optional<double>> number(std::string_view key) const;
  Result<std::optional<bool>> boolean(std::string_view key) const;
  Result<std::span<const std::string_view>> strings(std::string_view key) const;  ///< empty where absent
  Result<std::vector<float>> floats(std::string_view key) const;                  ///< empty where absent
  Result<std::vector<int32_t>> integers(std::string_view key) const;              ///< empty where absent

  const std::map<std::string, MetadataValue, std::less<>>& values() const { return values_; }

private:
  std::string file_;
  std::map<std::string, MetadataValue, std::less<>> values_;
};

}  // namespace quern
