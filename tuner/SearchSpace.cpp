// tuner/SearchSpace.cpp — see SearchSpace.h.
#include "tuner/SearchSpace.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "compiler/base/Toml.h"
#include "tuner/CostModel.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace quern {

static std::vector<std::string> familyNames() {
  std::vector<std::string> names;
  for (OpClass cls : {OpClass::Contraction, OpClass::Pointwise, OpClass::RowWise, OpClass::Movement, OpClass::Attention}) names.emplace_back(familyName(cls));
  return names;
}

/// A schedule of the family, to ask for its keys.
static Schedule exampleOf(size_t family) {
  switch (family) {
    case 0: return MatmulSchedule{};
    case 1: return MapSchedule{};
    case 2: return RowSchedule{};
    case 3: return MoveSchedule{};
    default: return AttentionSchedule{};
  }
}

Result<SearchSpace> readSearchSpace(const std::string& nameOrPath) {
  auto path = findConfig("tune", nameOrPath);
  if (!path) return path.error();
  auto root = readToml(*path);
  if (!root) return root.error();
  SearchSpace space{*path, {}};
  TomlReader top(*root, *path);
  const TomlValue* table = top.take("space");
  if (table == nullptr) top.fail(nullptr, "no [space.FAMILY] table");
  if (auto good = top.finish(); !good) return good.error();
  std::vector<std::string> families = familyNames();
  for (const auto& [family, keys] : table->members) {
    auto known = std::find(families.begin(), families.end(), family);
    TomlReader reader(keys, *path);
    if (known == families.end()) {
      reader.fail(&keys, fmt::format("unknown family '{}'{}; families: {}", escaped(family), didYouMean(family, families), join(families, " ")));
      return reader.finish().error();
    }
    Schedule example = exampleOf(static_cast<size_t>(known - families.begin()));
    for (const ScheduleKeyInfo& info : keysOf(example)) {
      const TomlValue* list = reader.take(info.key);
      if (list == nullptr) continue;
      if (list->kind != TomlValue::Kind::Array) reader.fail(list, fmt::format("{} is not an array", info.key));
      std::vector<std::string> values;
      for (const TomlValue& item : list->items) {
        values.push_back(item.kind == TomlValue::Kind::String ? item.string : std::to_string(item.integer));
        if (!setKey(example, info.key, values.back())) reader.fail(&item, fmt::format("{} is no value of {}{}", escaped(values.back()), info.key, info.words.empty() ? "" : "; legal: " + join(info.words, ", ")));
      }
      space.families[family].emplace_back(info.key, std::move(values));
    }
    if (auto good = reader.finish(); !good) return good.error();
  }
  return space;
}

std::vector<Candidate> candidatesOf(const SearchSpace& space, const OpDesc& op, const DimValues& sample, const Target& target) {
  Schedule base = defaultSchedule(op, target);
  std::vector<Schedule> all = {base};
  auto family = space.families.find(std::string(familyName(classOf(op))));
  if (family != space.families.end()) {
    for (const auto& [key, values] : family->second) {
      std::vector<Schedule> wider;
      for (const Schedule& schedule : all)
        for (const std::string& value : values) {
          Schedule next = schedule;
          setKey(next, key, value);
          if (mayBecomeLegal(next, key, op, target)) wider.push_back(std::move(next));
        }
      if (!wider.empty()) all = std::move(wider);
    }
  }
  OpDesc bound = fixed(op, sample);
  std::vector<Candidate> candidates;
  std::set<std::string> seen = {text(base)};
  for (Schedule& schedule : all) {
    fitToOp(schedule, bound);
    if (!validate(schedule, op, target) || !seen.insert(text(schedule)).second) continue;
    double predicted = predictedCost(schedule, bound, target);
    candidates.push_back({std::move(schedule), predicted});
  }
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) { return a.predicted < b.predicted; });
  candidates.insert(candidates.begin(), Candidate{base, predictedCost(base, bound, target)});
  return candidates;
}

std::vector<std::string> legalValues(const SearchSpace& space, const Schedule& schedule, std::string_view key, const OpDesc& op, const Target& target) {
  std::vector<std::string> legal;
  auto family = space.families.find(std::string(familyName(classOf(op))));
  if (family == space.families.end()) return legal;
  for (const auto& [name, values] : family->second) {
    if (name != key) continue;
    for (const std::string& value : values) {
      Schedule next = schedule;
      setKey(next, key, value);
      if (validate(next, op, target)) legal.push_back(value);
    }
  }
  return legal;
}

}  // namespace quern
