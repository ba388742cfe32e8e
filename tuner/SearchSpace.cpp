// tuner/SearchSpace.cpp — see SearchSpace.h.
#include "tuner/SearchSpace.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "compiler/base/Toml.h"
#include "tuner/CostModel.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

static std::vector<std::string> familyNames() {
  std::vector<std::string> names;
  for (OpClass cls : {OpClass::Contraction, OpClass::Pointwise, OpClass::RowWise, OpClass::Movement, OpClass::Attention})
    names.emplace_back(familyName(cls));
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

/// The families of one table: `space`, `neighbours` or `narrow`.
static Result<std::map<std::string, KeyChoices>> readFamilies(const TomlValue& table, const std::string& file) {
  std::map<std::string, KeyChoices> families;
  std::vector<std::string> names = familyNames();
  for (const auto& [family, keys] : table.members) {
    auto known = std::find(names.begin(), names.end(), family);
    TomlReader reader(keys, file);
    if (known == names.end()) {
      reader.fail(&keys, fmt::format("unknown family '{}'{}; families: {}", escaped(family), didYouMean(family, names), join(names, " ")));
      return reader.finish().error();
    }
    Schedule example = exampleOf(static_cast<size_t>(known - names.begin()));
    for (const ScheduleKeyInfo& info : keysOf(example)) {
      const TomlValue* list = reader.take(info.key);
      if (list == nullptr) continue;
      if (list->kind != TomlValue::Kind::Array) reader.fail(list, fmt::format("{} is not an array", info.key));
      std::vector<std::string> values;
      for (const TomlValue& item : list->items) {
        values.push_back(item.kind == TomlValue::Kind::String ? item.string : std::to_string(item.integer));
        if (!setKey(example, info.key, values.back()))
          reader.fail(&item, fmt::format("{} is no value of {}{}", escaped(values.back()), info.key,
                                         info.words.empty() ? "" : "; legal: " + join(info.words, ", ")));
      }
      families[family].emplace_back(info.key, std::move(values));
    }
    if (auto good = reader.finish(); !good) return good.error();
  }
  return families;
}

Result<SearchSpace> readSearchSpace(const std::string& nameOrPath) {
  auto path = findConfig("tune", nameOrPath);
  if (!path) return path.error();
  auto root = readToml(*path);
  if (!root) return root.error();
  TomlReader top(*root, *path);
  const TomlValue* table = top.take("space");
  const TomlValue* neighbours = top.take("neighbours");
  const TomlValue* narrow = top.take("narrow");
  if (table == nullptr) top.fail(nullptr, "no [space.FAMILY] table");
  if (auto good = top.finish(); !good) return good.error();
  auto families = readFamilies(*table, *path);
  if (!families) return families.error();
  SearchSpace space{*path, std::move(*families), {}, {}};
  for (auto [from, into] : {std::pair{neighbours, &space.neighbours}, {narrow, &space.narrow}}) {
    if (from == nullptr) continue;
    auto read = readFamilies(*from, *path);
    if (!read) return read.error();
    *into = std::move(*read);
  }
  return space;
}

/// `base` with every combination of the choices that may still become legal; keys not among them are made to fit.
static std::vector<Schedule> combined(const Schedule& base, const std::map<std::string, KeyChoices>& families, const OpDesc& op,
                                      const Target& target) {
  std::vector<Schedule> all = {base};
  auto family = families.find(std::string(familyName(classOf(op))));
  if (family == families.end()) return all;
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
  std::vector<std::string> given;
  for (const auto& choice : family->second) given.push_back(choice.first);
  for (Schedule& schedule : all) complete(schedule, given);
  return all;
}

std::vector<Candidate> narrowCandidatesOf(const SearchSpace& space, const Schedule& base, const OpDesc& op, const DimValues& sample,
                                          const Target& target) {
  std::vector<Candidate> candidates;
  OpDesc bound = fixed(op, sample);
  std::set<std::string> seen;
  for (Schedule& schedule : combined(forFewRows(base), space.narrow, op, target)) {
    if (!validate(schedule, op, target) || !sharesWeight(schedule, base) || !seen.insert(text(schedule)).second) continue;
    double predicted = predictedCost(schedule, bound, target);
    candidates.push_back({std::move(schedule), predicted});
  }
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) { return a.predicted < b.predicted; });
  return candidates;
}

std::vector<Candidate> candidatesOf(const SearchSpace& space, const OpDesc& op, const DimValues& sample, const Target& target) {
  Schedule base = defaultSchedule(op, target);
  std::vector<Schedule> all = combined(base, space.families, op, target);
  OpDesc bound = fixed(op, sample);
  std::vector<Candidate> candidates;
  std::set<std::string> seen = {text(base)};
  for (Schedule& schedule : all) {
    fitToOp(schedule, bound);
    if (!validate(schedule, op, target) || orderOf(schedule) != orderOf(base) || !enoughTasks(schedule, base, bound) ||
        !seen.insert(text(schedule)).second)
      continue;
    double predicted = predictedCost(schedule, bound, target);
    candidates.push_back({std::move(schedule), predicted});
  }
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) { return a.predicted < b.predicted; });
  // The best of each kind, then the others: what is timed at all differs in what matters.
  std::vector<Candidate> ordered = {{base, predictedCost(base, bound, target)}}, others;
  std::set<std::string> kinds;
  for (Candidate& candidate : candidates)
    (kinds.insert(kindOf(candidate.schedule)).second ? ordered : others).push_back(std::move(candidate));
  std::move(others.begin(), others.end(), std::back_inserter(ordered));
  return ordered;
}

std::vector<Candidate> neighboursOf(const SearchSpace& space, const Schedule& best, const OpDesc& op, const DimValues& sample,
                                    const Target& target, const std::set<std::string>& seen) {
  std::vector<Candidate> list;
  auto family = space.neighbours.find(std::string(familyName(classOf(op))));
  if (family == space.neighbours.end()) return list;
  OpDesc bound = fixed(op, sample);
  std::set<std::string> known = seen;
  for (const auto& [key, values] : family->second)
    for (const std::string& value : values) {
      Schedule next = best;
      setKey(next, key, value);
      complete(next, {key});
      fitToOp(next, bound);
      if (!validate(next, op, target) || orderOf(next) != orderOf(best) || !enoughTasks(next, best, bound) ||
          !known.insert(text(next)).second)
        continue;
      double predicted = predictedCost(next, bound, target);
      list.push_back({std::move(next), predicted});
    }
  return list;
}

std::vector<std::string> legalValues(const SearchSpace& space, const Schedule& schedule, std::string_view key, const OpDesc& op,
                                     const Target& target) {
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
