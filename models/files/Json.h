// models/files/Json.h — the one JSON reader of the models room: picked parts of a text, or a small text as a tree.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/base/Variants.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace quern {

inline constexpr int64_t kSmallJsonBytes = int64_t{1} << 20;       ///< config.json and its like
inline constexpr int64_t kIndexJsonBytes = int64_t{16} << 20;      ///< model.safetensors.index.json: about 100 bytes a tensor
inline constexpr int64_t kTokenizerJsonBytes = int64_t{64} << 20;  ///< tokenizer.json
inline constexpr int kJsonDepth = 64;                              ///< objects and arrays inside each other
inline constexpr int64_t kJsonParts = 1 << 16;                     ///< values in one tree

struct JsonValue;
using JsonArray = std::vector<JsonValue>;
using JsonObject = std::vector<std::pair<std::string, JsonValue>>;  ///< in the order of the text, each key once

/// A value as a tree. Numbers without fraction and exponent are integers as far as 64 bits go, else doubles (finite).
struct JsonValue {
  std::variant<std::nullptr_t, bool, int64_t, uint64_t, double, std::string, JsonArray, JsonObject, NeverHeld> value = nullptr;

  template <class T>
  const T* as() const {
    return std::get_if<T>(&value);
  }
  /// Any integer that an int64 holds.
  std::optional<int64_t> integer() const;
  /// Any number.
  std::optional<double> number() const;
  /// The value of `key`; null where this is no object or has no such key.
  const JsonValue* find(std::string_view key) const;
  /// "an object", "a string" ... for messages.
  const char* kind() const;
};

/// Where a value stands: the keys (of arrays: the indices, as text) from the root down to it.
/// Valid only during the call that hands it over.
struct JsonPlace {
  std::span<const std::string> steps;
  int64_t index = -1;  ///< of the last step in an array; -1 in an object
  int64_t byte = 0;    ///< of the file, behind the value

  const std::string& key() const { return steps.back(); }
  /// "model.merges.17", escaped.
  std::string text() const;
};

/// A wish: every value whose place matches `path`, steps joined by '.', where '*' is any key or index:
/// "model.vocab.*", "model.merges.*", "normalizer"; "" is the whole text. A key that a wish names is not matched by
/// the '*' of another at the same step, and of two wishes that match, the shorter gets the value. `take` gets each
/// value as soon as it is complete, in the order of the text, and may keep it by moving; its Error ends the reading.
struct JsonPick {
  std::string path;
  std::function<Result<void>(const JsonPlace& place, JsonValue&& value)> take;
  int64_t mostParts = kJsonParts;  ///< values in one taken tree; more are an error
};

/// How text is read and named in errors.
struct JsonSource {
  std::string_view text;
  std::string file;
  int64_t firstByte = 0;  ///< where the text begins in its file: added to the bytes in messages
};

/// Reads the text from its first to its last byte; everything must be JSON, picked or not.
///
/// Errors   BadInput naming file, byte and what was expected: wrong syntax, bytes that are not UTF-8, a key twice in one
///          object, more than kJsonDepth levels, numbers beyond double. Two keys count as the same where a 64-bit hash is.
/// Cost     memory: one picked value at a time, one longest string, and 16 bytes for each key of the objects that are open.
Result<void> pickJson(const JsonSource& source, std::span<const JsonPick> picks);

/// The whole text as a tree of at most `mostBytes` bytes.
Result<JsonValue> parseJson(const JsonSource& source, int64_t mostBytes = kSmallJsonBytes);

/// Typed access to the keys of one object, as Metadata gives it: nothing where the key is absent or null; an Error naming
/// file, key, what it is and what is needed where the value is of another kind or out of range.
class JsonFields {
public:
  JsonFields(std::string file, const JsonValue& object) : file_(std::move(file)), object_(&object) {}

  const std::string& file() const { return file_; }
  bool has(std::string_view key) const { return present(key) != nullptr; }
  Result<std::optional<std::string_view>> string(std::string_view key) const;
  Result<std::optional<int64_t>> integer(std::string_view key, int64_t low, int64_t high) const;
  Result<std::optional<double>> number(std::string_view key) const;
  Result<std::optional<bool>> boolean(std::string_view key) const;

private:
  const JsonValue* present(std::string_view key) const;
  Error wrong(std::string_view key, const std::string& is, const std::string& needed) const;

  std::string file_;
  const JsonValue* object_;
};

}  // namespace quern
