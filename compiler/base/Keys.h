// compiler/base/Keys.h — the one text form of ops, schedules and targets: `name key=value key="a b" ...`.
#pragma once

#include "compiler/base/Result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quern {

/// key=value pairs in order; what one line of text, or one TOML table, holds.
struct KeyValues {
  std::string head;  ///< the leading word without '=', empty where the text has none
  std::vector<std::pair<std::string, std::string>> pairs;

  void set(std::string key, std::string value);
  const std::string* find(std::string_view key) const;
};

/// Splits `text`. Values may be quoted with " or '. `subject` opens every message.
/// Errors   BadCommand: a word without '=', an open quote, a key given twice.
Result<KeyValues> parseKeyValues(std::string_view text, std::string_view subject, bool wantHead);

/// Takes keys out of a KeyValues one by one and remembers the first thing that was wrong, so that a parse function
/// is a list of fields followed by one finish().
class KeyReader {
public:
  KeyReader(const KeyValues& values, std::string subject);

  bool has(std::string_view key) const;
  std::optional<std::string> take(std::string_view key);
  std::string takeOr(std::string_view key, std::string fallback);
  int64_t takeInt(std::string_view key, int64_t fallback, int64_t low, int64_t high);
  double takeDouble(std::string_view key, double fallback);
  bool takeFlag(std::string_view key);
  /// One of `choices`; the index. The first is the fallback where the key is absent.
  size_t takeChoice(std::string_view key, const std::vector<std::string>& choices);
  /// Notes an error about `key` (the first one noted is the one reported).
  void fail(std::string message);
  /// As fail, for an error that leaves open which keys there are: it comes before an unknown key.
  void failBeforeKeys(std::string message);
  const std::string& subject() const { return subject_; }

  /// The first error noted, or one for a key that nobody took (with the nearest of those that were asked for).
  Result<void> finish();

private:
  const KeyValues& values_;
  std::string subject_;
  std::vector<std::string> known_;
  std::optional<Error> error_;
  bool keysKnown_ = true;
};

}  // namespace quern
