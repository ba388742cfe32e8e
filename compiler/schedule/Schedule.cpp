// compiler/schedule/Schedule.cpp — see Schedule.h.
#include "compiler/schedule/Schedule.h"

#include "compiler/base/Check.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>
#include <type_traits>

namespace quern {

template <class S>
static std::string valueText(const S& schedule, const ScheduleField<S>& field) {
  int64_t value = schedule.*field.member;
  return field.words.empty() ? std::to_string(value) : std::string(field.words[static_cast<size_t>(value)]);
}

std::vector<ScheduleKeyInfo> keysOf(const Schedule& schedule) {
  return std::visit(
      []<class S>(const S& s) {
        std::vector<ScheduleKeyInfo> keys;
        for (const ScheduleField<S>& field : S::fields())
          keys.push_back(
              {std::string(field.key), valueText(s, field), std::string(field.meaning), {field.words.begin(), field.words.end()}});
        return keys;
      },
      schedule);
}

std::string orderOf(const Schedule& schedule) {
  for (const ScheduleKeyInfo& key : keysOf(schedule))
    if (key.key == "order") return key.value;
  return "seq";
}

std::string text(const Schedule& schedule) {
  std::string out;
  for (const ScheduleKeyInfo& key : keysOf(schedule)) out += fmt::format("{}{}={}", out.empty() ? "" : " ", key.key, key.value);
  return out;
}

template <class S>
static bool setField(S& schedule, const ScheduleField<S>& field, std::string_view value) {
  if (field.words.empty()) {
    auto number = parseInt(value);
    if (number) schedule.*field.member = *number;
    return number.has_value();
  }
  auto found = std::find(field.words.begin(), field.words.end(), value);
  if (found == field.words.end()) return false;
  schedule.*field.member = found - field.words.begin();
  return true;
}

bool setKey(Schedule& schedule, std::string_view key, std::string_view value) {
  return std::visit(
      [&]<class S>(S& s) {
        for (const ScheduleField<S>& field : S::fields())
          if (field.key == key) return setField(s, field, value);
        return false;
      },
      schedule);
}

/// A schedule of the family that serves ops of this class: to ask what does not depend on its values.
static Schedule familyOf(OpClass cls) {
  Schedule found;
  auto look = [&]<class... S>(std::type_identity<std::variant<S...>>) { ((S::kClass == cls ? void(found = S()) : void()), ...); };
  look(std::type_identity<Schedule>());
  return found;
}

/// Both of one family: what `ask` says of them; else false.
template <class Ask>
static bool alike(const Schedule& a, const Schedule& b, Ask ask) {
  return a.index() == b.index() && std::visit([&]<class S>(const S& one) { return ask(one, std::get<S>(b)); }, a);
}

void complete(Schedule& schedule, const std::vector<std::string>& given) {
  std::visit([&](auto& s) { s.complete(given); }, schedule);
}
void fitToOp(Schedule& schedule, const OpDesc& op) {
  std::visit([&](auto& s) { s.fitTo(op); }, schedule);
}
Contract contractOf(const Schedule& schedule, const OpDesc& op, const Target& target) {
  return {target.level, std::visit([&](const auto& s) { return s.needs(op); }, schedule)};
}
ScheduleCost costOf(const Schedule& schedule, const OpDesc& op, const Target& target) {
  return std::visit([&](const auto& s) { return s.cost(op, target); }, schedule);
}
bool mayBecomeLegal(const Schedule& schedule, std::string_view key, const Target& target) {
  return std::visit([&](const auto& s) { return s.mayBecomeLegal(key, target); }, schedule);
}
bool enoughTasks(const Schedule& schedule, const Schedule& base, const OpDesc& op) {
  return alike(schedule, base, [&](const auto& one, const auto& other) { return one.enoughTasks(other, op); });
}
std::string kindOf(const Schedule& schedule) {
  std::string kind = std::visit([](const auto& s) { return s.kind(); }, schedule);
  return kind.empty() ? text(schedule) : kind;
}
bool sharesWeight(const Schedule& a, const Schedule& b) {
  return alike(a, b, [](const auto& one, const auto& other) { return one.sharesWeight(other); });
}
Schedule forFewRows(const Schedule& base, const OpDesc& op, const Target& target) {
  return std::visit([&](const auto& s) { return Schedule(s.forFewRows(op, target)); }, base);
}

SizeDims sizeDimsOf(const OpDesc& op) {
  return std::visit([&]<class S>(const S&) { return S::sizeDims(op); }, familyOf(classOf(op)));
}

const SizeClass* classFor(const std::vector<SizeClass>& classes, const OpDesc& op, const DimValues& dims) {
  SizeDims names = sizeDimsOf(op);
  auto valueOf = [&](const std::string& name) { return dims.count(name) != 0 ? dims.at(name) : int64_t{0}; };
  int64_t rows = valueOf(names.rows), keys = valueOf(names.keys);
  auto found = std::find_if(classes.begin(), classes.end(), [&](const SizeClass& one) { return one.most.covers(rows, keys); });
  return found == classes.end() ? nullptr : &*found;
}

std::vector<SizeClass> defaultSizeClasses(const OpDesc& op, const Schedule& base, const Target& target) {
  std::vector<SizeClass> classes;
  SizeDims dims = sizeDimsOf(op);
  if (dims.rows.empty() && dims.keys.empty()) return classes;
  std::visit(
      [&](const auto& s) {
        for (auto& [most, few] : s.sizeClasses(op, target)) classes.push_back({most, std::move(few)});
      },
      base);
  return classes;
}

Result<Schedule> parseSchedule(std::string_view given, const OpDesc& op, const Target& target) {
  std::string subject = fmt::format("{} schedule", familyName(classOf(op)));
  auto keys = parseKeyValues(given, subject, false);
  if (!keys) return keys.error();
  Schedule schedule = defaultSchedule(op, target);
  std::vector<std::string> known, set;
  for (const ScheduleKeyInfo& info : keysOf(schedule)) known.push_back(info.key);
  for (const auto& [key, value] : keys->pairs) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      return badCommand(fmt::format("{}: unknown key '{}'{}; keys: {}", subject, escaped(key), didYouMean(key, known), join(known, " ")));
    set.push_back(key);
    if (setKey(schedule, key, value)) continue;
    std::string legal = "a whole number";
    for (const ScheduleKeyInfo& info : keysOf(schedule))
      if (info.key == key && !info.words.empty()) legal = join(info.words, ", ");
    return badCommand(fmt::format("{}: {}={} is no value of {}; legal: {}", subject, key, escaped(value), key, legal));
  }
  complete(schedule, set);
  auto good = validate(schedule, op, target);
  if (!good) return badCommand(good.error().message);
  return schedule;
}

Schedule defaultSchedule(const OpDesc& op, const Target& target) {
  return std::visit([&]<class S>(const S&) { return Schedule(S::byDefault(op, target)); }, familyOf(classOf(op)));
}

Result<void> validate(const Schedule& schedule, const OpDesc& op, const Target& target) {
  return std::visit(
      [&]<class S>(const S& s) -> Result<void> {
        QUERN_CHECK_FOR(S::kClass == classOf(op), text(op));
        if (auto good = s.validate(op, target); !good) return good;
        std::vector<std::string> lacking = contractOf(s, op, target).lackingOn(target);
        return lacking.empty()
                   ? Result<void>()
                   : infeasible(fmt::format("{} schedule: needs {}, which {} lacks", S::kName, join(lacking, " "), target.name));
      },
      schedule);
}

std::string_view familyName(OpClass cls) {
  return std::visit([]<class S>(const S&) { return S::kName; }, familyOf(cls));
}

}  // namespace quern
