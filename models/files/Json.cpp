// models/files/Json.cpp — see Json.h. nlohmann's lexer and grammar; what is kept, and how much, is decided here.
#include "models/files/Json.h"

#include "compiler/base/Check.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>

namespace quern {

namespace {

constexpr int64_t kLongestString = int64_t{4} << 20;  // nlohmann holds a token several times over when it reports one
constexpr int64_t kLongestNumber = 1024;

/// Walks the text and tells how far it came.
class CountedIterator {
public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountedIterator(const char* at, const char** seen) : at_(at), seen_(seen) {}
  reference operator*() const { return *at_; }
  CountedIterator& operator++() {
    *seen_ = ++at_;
    return *this;
  }
  CountedIterator operator++(int) {
    CountedIterator old = *this;
    ++*this;
    return old;
  }
  bool operator==(const CountedIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountedIterator& other) const { return at_ != other.at_; }

private:
  const char* at_;
  const char** seen_;
};

Error errorAt(const JsonSource& source, int64_t byte, const std::string& why) {
  return badInput(fmt::format("{}: byte {}: {}", escapedShort(source.file), source.firstByte + byte, why));
}

/// What the lexer would take for something else or copy many times over: zero bytes, strings and numbers of absurd length.
Result<void> checkLengths(const JsonSource& source) {
  std::string_view text = source.text;
  auto size = static_cast<int64_t>(text.size());
  int64_t number = 0;
  for (int64_t i = 0; i < size; ++i) {
    char c = text[static_cast<size_t>(i)];
    bool inNumber = (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
    number = inNumber ? number + 1 : 0;
    if (c == '\0') return errorAt(source, i, "a zero byte, which JSON does not have");  // the lexer would take it for the end
    if (number > kLongestNumber) return errorAt(source, i, fmt::format("a number of more than {} digits", kLongestNumber));
    if (c != '"') continue;
    int64_t first = i + 1;
    for (++i; i < size && text[static_cast<size_t>(i)] != '"'; ++i) {
      if (text[static_cast<size_t>(i)] == '\\') ++i;
      if (i - first > kLongestString) return errorAt(source, first, fmt::format("a string of more than {} bytes", kLongestString));
    }
  }
  return {};
}

/// nlohmann's sentence without its prefix and without the piece of the file that it quotes.
std::string sentenceOf(std::string said) {
  if (size_t at = said.find("syntax error "); at != std::string::npos) said.erase(0, at);
  else if (said.find("number overflow") != std::string::npos) return "a number beyond the range of double";
  size_t quoted = said.find("; last read: '");
  if (quoted == std::string::npos) return escapedShort(said);
  size_t expected = said.rfind("'; expected ");
  said.erase(quoted, expected == std::string::npos || expected < quoted ? std::string::npos : expected + 1 - quoted);
  return escapedShort(said);
}

/// The calls that nlohmann's parser makes; each returns whether to go on.
class Reader {
public:
  Reader(const JsonSource& source, std::span<const JsonPick> picks) : source_(source), picks_(picks), seen_(source.text.data()) {
    QUERN_CHECK(picks.size() <= 64);
    for (const JsonPick& pick : picks) steps_.push_back(pick.path.empty() ? std::vector<std::string>() : split(pick.path, '.'));
  }

  Result<void> run() {
    const char* begin = source_.text.data();
    bool good = nlohmann::json::sax_parse(CountedIterator(begin, &seen_), CountedIterator(begin + source_.text.size(), &seen_), this);
    if (error_) return *error_;
    QUERN_CHECK(good);
    return {};
  }

  bool null() { return scalar(nullptr); }
  bool boolean(bool value) { return scalar(value); }
  bool number_integer(int64_t value) { return scalar(value); }
  bool number_unsigned(uint64_t value) {
    return value <= static_cast<uint64_t>(INT64_MAX) ? scalar(static_cast<int64_t>(value)) : scalar(value);
  }
  bool number_float(double value, const std::string&) { return scalar(value); }
  bool string(std::string& value) {
    if (!arrive()) return true;
    return complete(JsonValue{std::move(value)});
  }
  bool binary(nlohmann::json::binary_t&) { return false; }  // other formats' only

  bool start_object(size_t) { return start(false); }
  bool start_array(size_t) { return start(true); }
  bool key(std::string& value) {
    Level& level = levels_.back();
    level.key = std::move(value);
    level.keys.push_back({std::hash<std::string_view>()(level.key), byte()});
    return true;
  }
  bool end_object() { return keysDiffer(levels_.back().keys) && end(); }
  bool end_array() { return end(); }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception& exception) {
    return fail(errorAt(source_, static_cast<int64_t>(position) - 1, sentenceOf(exception.what())));
  }

private:
  struct KeyMark {
    size_t hash;
    int64_t byte;  ///< behind the key's closing quote
  };
  struct Level {
    bool array = false;
    int64_t index = -1;
    uint64_t wishes = 0;  ///< the picks whose path leads here
    std::string key;
    std::vector<KeyMark> keys;
  };

  int64_t byte() const { return seen_ - source_.text.data(); }

  bool fail(Error error) {
    error_ = std::move(error);
    return false;
  }

  /// Where a value begins: which picks lead to it. True where it is kept, as a picked value or a part of one.
  bool arrive() {
    if (!levels_.empty() && levels_.back().array) ++levels_.back().index;
    if (taking_ != nullptr) return true;
    wishes_ = levels_.empty() ? (picks_.size() == 64 ? ~uint64_t{0} : (uint64_t{1} << picks_.size()) - 1) : wishesBelow(levels_.back());
    for (size_t i = 0; i < picks_.size(); ++i)
      if (((wishes_ >> i) & 1) != 0 && steps_[i].size() == levels_.size()) {
        taking_ = &picks_[i];
        parts_ = 0;
        break;
      }
    return taking_ != nullptr;
  }

  uint64_t wishesBelow(const Level& level) const {
    if (level.wishes == 0) return 0;
    size_t depth = levels_.size() - 1;
    std::string name = level.array ? std::to_string(level.index) : level.key;
    uint64_t named = 0, any = 0;
    for (size_t i = 0; i < picks_.size(); ++i) {
      if (((level.wishes >> i) & 1) == 0 || steps_[i].size() <= depth) continue;
      if (steps_[i][depth] == name) named |= uint64_t{1} << i;
      if (steps_[i][depth] == "*") any |= uint64_t{1} << i;
    }
    return named != 0 ? named : any;
  }

  template <class T>
  bool scalar(T value) {
    if (!arrive()) return true;
    return complete(JsonValue{value});
  }

  bool start(bool array) {
    if (levels_.size() >= kJsonDepth)
      return fail(errorAt(source_, byte(), fmt::format("more than {} objects and arrays inside each other", kJsonDepth)));
    bool kept = arrive();
    levels_.push_back({array, -1, wishes_, {}, {}});
    if (!kept) return true;
    building_.push_back(array ? JsonValue{JsonArray()} : JsonValue{JsonObject()});
    return true;
  }

  bool end() {
    levels_.pop_back();
    if (building_.empty()) return true;
    JsonValue value = std::move(building_.back());
    building_.pop_back();
    return complete(std::move(value));
  }

  /// A kept value is whole: it joins what is being built, or is handed over.
  bool complete(JsonValue value) {
    if (++parts_ > taking_->mostParts)
      return fail(errorAt(source_, byte(), fmt::format("'{}' has more than {} parts", placeOfTaken(), taking_->mostParts)));
    if (!building_.empty()) {
      JsonValue& parent = building_.back();
      if (auto* array = std::get_if<JsonArray>(&parent.value)) array->push_back(std::move(value));
      else std::get<JsonObject>(parent.value).emplace_back(levels_.back().key, std::move(value));
      return true;
    }
    const JsonPick* pick = std::exchange(taking_, nullptr);
    auto good = pick->take(place(), std::move(value));
    return good ? true : fail(good.error());
  }

  JsonPlace place() {
    place_.resize(levels_.size());
    for (size_t i = 0; i < levels_.size(); ++i) place_[i] = levels_[i].array ? std::to_string(levels_[i].index) : levels_[i].key;
    return {place_, levels_.empty() ? -1 : levels_.back().index, source_.firstByte + byte()};
  }

  std::string placeOfTaken() {
    JsonPlace at = place();
    at.steps = at.steps.first(steps_[static_cast<size_t>(taking_ - picks_.data())].size());
    return at.text();
  }

  /// The text of the key whose closing quote is before `end`, as it stands there: every other quote in it is escaped.
  std::string_view keyBefore(int64_t end) const {
    auto at = static_cast<size_t>(end) - 1;
    size_t first = at;
    while (true) {
      first = source_.text.rfind('"', first - 1);
      size_t slashes = 0;
      while (slashes < first && source_.text[first - 1 - slashes] == '\\') ++slashes;
      if (slashes % 2 == 0) return source_.text.substr(first + 1, at - first - 1);
    }
  }

  bool keysDiffer(std::vector<KeyMark>& keys) {
    std::sort(keys.begin(), keys.end(),
              [](const KeyMark& a, const KeyMark& b) { return a.hash != b.hash ? a.hash < b.hash : a.byte < b.byte; });
    const KeyMark* again = nullptr;
    for (size_t i = 1; i < keys.size(); ++i)
      if (keys[i].hash == keys[i - 1].hash && (again == nullptr || keys[i].byte < again->byte)) again = &keys[i];
    if (again == nullptr) return true;
    return fail(errorAt(source_, again->byte, fmt::format("key '{}' is given twice", escapedShort(keyBefore(again->byte)))));
  }

  const JsonSource& source_;
  std::span<const JsonPick> picks_;
  std::vector<std::vector<std::string>> steps_;
  const char* seen_;
  std::vector<Level> levels_;
  uint64_t wishes_ = 0;
  const JsonPick* taking_ = nullptr;
  int64_t parts_ = 0;
  std::vector<JsonValue> building_;  ///< the containers that are open, of the value being taken
  std::vector<std::string> place_;
  std::optional<Error> error_;
};

}  // namespace

Result<void> pickJson(const JsonSource& source, std::span<const JsonPick> picks) {
  if (auto good = checkLengths(source); !good) return good;
  return Reader(source, picks).run();
}

Result<JsonValue> parseJson(const JsonSource& source, int64_t mostBytes) {
  if (static_cast<int64_t>(source.text.size()) > mostBytes)
    return badInput(fmt::format("{}: has {} bytes of JSON, at most {} are read", escapedShort(source.file), source.text.size(), mostBytes));
  JsonValue whole;
  JsonPick all{"", [&](const JsonPlace&, JsonValue&& value) -> Result<void> {
                 whole = std::move(value);
                 return {};
               }};
  if (auto good = pickJson(source, std::span<const JsonPick>(&all, 1)); !good) return good.error();
  return whole;
}

}  // namespace quern
