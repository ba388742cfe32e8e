// compiler/base/Keys.cpp — see Keys.h.
#include "compiler/base/Keys.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

void KeyValues::set(std::string key, std::string value) {
  for (auto& [k, v] : pairs)
    if (k == key) {
      v = std::move(value);
      return;
    }
  pairs.emplace_back(std::move(key), std::move(value));
}

const std::string* KeyValues::find(std::string_view key) const {
  for (const auto& [k, v] : pairs)
    if (k == key) return &v;
  return nullptr;
}

/// Reads one value from `text` at `at`: quoted, or up to the next blank. Moves `at` behind it.
static Result<std::string> readValue(std::string_view text, size_t& at, std::string_view subject) {
  if (at < text.size() && (text[at] == '"' || text[at] == '\'')) {
    size_t close = text.find(text[at], at + 1);
    if (close == std::string_view::npos) return badCommand(fmt::format("{}: open quote in '{}'", subject, escaped(text.substr(at))));
    std::string value(text.substr(at + 1, close - at - 1));
    at = close + 1;
    return value;
  }
  size_t end = std::min(text.find_first_of(" \t\r\n", at), text.size());
  std::string value(text.substr(at, end - at));
  at = end;
  return value;
}

Result<KeyValues> parseKeyValues(std::string_view text, std::string_view subject, bool wantHead) {
  KeyValues out;
  size_t at = 0;
  while (true) {
    at = text.find_first_not_of(" \t\r\n", at);
    if (at == std::string_view::npos) return out;
    size_t stop = std::min(text.find_first_of("= \t\r\n", at), text.size());
    std::string word(text.substr(at, stop - at));
    if (stop == text.size() || text[stop] != '=') {
      if (!wantHead || !out.head.empty() || !out.pairs.empty())
        return badCommand(fmt::format("{}: '{}' is not key=value", subject, escaped(word)));
      out.head = word;
      at = stop;
      continue;
    }
    if (word.empty()) return badCommand(fmt::format("{}: '=' without a key", subject));
    if (out.find(word) != nullptr) return badCommand(fmt::format("{}: key '{}' is given twice", subject, escaped(word)));
    at = stop + 1;
    auto value = readValue(text, at, subject);
    if (!value) return value.error();
    out.pairs.emplace_back(std::move(word), std::move(*value));
  }
}

KeyReader::KeyReader(const KeyValues& values, std::string subject) : values_(values), subject_(std::move(subject)) {}

bool KeyReader::has(std::string_view key) const { return values_.find(key) != nullptr; }

std::optional<std::string> KeyReader::take(std::string_view key) {
  known_.emplace_back(key);
  const std::string* value = values_.find(key);
  if (value == nullptr) return std::nullopt;
  return *value;
}

std::string KeyReader::takeOr(std::string_view key, std::string fallback) {
  auto value = take(key);
  return value ? *value : fallback;
}

int64_t KeyReader::takeInt(std::string_view key, int64_t fallback, int64_t low, int64_t high) {
  auto text = take(key);
  if (!text) return fallback;
  auto value = parseInt(*text);
  if (!value || *value < low || *value > high) {
    fail(fmt::format("{}={} is not a whole number from {} to {}", key, escaped(*text), low, high));
    return fallback;
  }
  return *value;
}

double KeyReader::takeDouble(std::string_view key, double fallback) {
  auto text = take(key);
  if (!text) return fallback;
  auto value = parseDouble(*text);
  if (!value) {
    fail(fmt::format("{}={} is not a number", key, escaped(*text)));
    return fallback;
  }
  return *value;
}

bool KeyReader::takeFlag(std::string_view key) { return takeInt(key, 0, 0, 1) == 1; }

size_t KeyReader::takeChoice(std::string_view key, const std::vector<std::string>& choices) {
  auto text = take(key);
  if (!text) return 0;
  auto found = std::find(choices.begin(), choices.end(), *text);
  if (found == choices.end()) {
    std::vector<std::string> named(choices.begin() + (choices[0].empty() ? 1 : 0), choices.end());
    fail(fmt::format("{}={} is not one of {}{}", key, escaped(*text), join(named, ", "), didYouMean(*text, named)));
    return 0;
  }
  return static_cast<size_t>(found - choices.begin());
}

void KeyReader::fail(std::string message) {
  if (!error_) error_ = badCommand(fmt::format("{}: {}", subject_, message));
}

void KeyReader::failBeforeKeys(std::string message) {
  error_.reset();
  fail(std::move(message));
  keysKnown_ = false;
}

Result<void> KeyReader::finish() {
  // A misspelt key first: the value it should have given is then "missing", which says less.
  for (const auto& [key, value] : values_.pairs)
    if (keysKnown_ && std::find(known_.begin(), known_.end(), key) == known_.end())
      return badCommand(
          fmt::format("{}: unknown key '{}'{}; keys: {}", subject_, escaped(key), didYouMean(key, known_), join(known_, " ")));
  if (error_) return *error_;
  return {};
}

}  // namespace quern
