// tools/quern/cli/Json.cpp — see Json.h. nlohmann spells text and numbers; it is compiled here alone.
#include "tools/quern/cli/Json.h"

#include <nlohmann/json.hpp>

namespace quern {

Json::Json(std::initializer_list<Member> members) : value_(std::vector<Member>(members)) {}

Json& Json::operator[](std::string_view key) {
  if (std::holds_alternative<std::monostate>(value_)) value_ = std::vector<Member>();
  auto& members = std::get<std::vector<Member>>(value_);
  for (Member& member : members)
    if (member.key == key) return member.value;
  return members.emplace_back(Member{std::string(key), {}}).value;
}

void Json::push_back(Json value) {
  if (std::holds_alternative<std::monostate>(value_)) value_ = std::vector<Json>();
  std::get<std::vector<Json>>(value_).push_back(std::move(value));
}

void Json::update(std::initializer_list<Member> members) {
  for (const Member& member : members) (*this)[member.key] = member.value;
}

const Json* Json::find(std::string_view key) const {
  if (const auto* members = std::get_if<std::vector<Member>>(&value_))
    for (const Member& member : *members)
      if (member.key == key) return &member.value;
  return nullptr;
}

/// Appends values to a text; `step` blanks a level, 0: all on one line.
class JsonWriter {
public:
  JsonWriter(std::string& out, size_t step) : out_(out), step_(step) {}

  void value(const Json& json) {
    std::visit([&](const auto& held) { put(held); }, json.value_);
  }

private:
  template <class T>
  void put(const T& leaf) {
    out_ += nlohmann::json(leaf).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  void put(std::monostate) { out_ += "null"; }
  void put(const NeverHeld&) {}
  void put(const std::vector<Json>& list) {
    enclosed('[', list, ']', [&](const Json& each) { value(each); });
  }
  void put(const std::vector<Json::Member>& members) {
    enclosed('{', members, '}', [&](const Json::Member& each) {
      put(each.key);
      out_ += step_ > 0 ? ": " : ":";
      value(each.value);
    });
  }

  template <class Elements, class Put>
  void enclosed(char open, const Elements& elements, char close, const Put& putEach) {
    out_ += open;
    depth_ += step_;
    bool first = true;
    for (const auto& each : elements) {
      if (!first) out_ += ',';
      first = false;
      newLine();
      putEach(each);
    }
    depth_ -= step_;
    if (!first) newLine();
    out_ += close;
  }
  void newLine() {
    if (step_ > 0) out_.append(1, '\n').append(depth_, ' ');
  }

  std::string& out_;
  size_t step_, depth_ = 0;
};

std::string jsonText(const Json& value) {
  std::string out;
  JsonWriter(out, 2).value(value);
  return out + "\n";
}

std::string compactText(const Json& value) {
  std::string out;
  JsonWriter(out, 0).value(value);
  return out;
}

}  // namespace quern
