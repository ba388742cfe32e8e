// tuner/SearchSpace.cpp — see SearchSpace.h.
#include "tuner/SearchSpace.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "compiler/base/Toml.h"

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

/// One value of a key's list: a whole number that a schedule could hold, or one of the key's words.
static std::string readValue(TomlReader& reader, const TomlValue& item, const ScheduleKeyInfo& info, Schedule& example) {
  constexpr int64_t kMost = int64_t{1} << 40;
  if (!info.words.empty() && item.kind == TomlValue::Kind::String) {
    if (!setKey(example, info.key, item.string))
      reader.fail(&item, fmt::format("{} is no value of {}{}; legal: {}", escapedShort(item.string), info.key,
                                     didYouMean(item.string, info.words), join(info.words, ", ")));
    return item.string;
  }
  bool number = info.words.empty() && item.kind == TomlValue::Kind::Integer;
  std::string legal = info.words.empty() ? fmt::format("a whole number from 0 to {}", kMost) : "one of " + join(info.words, ", ");
  if (!number) reader.fail(&item, fmt::format("{} holds {}, {} is needed", info.key, kindName(item.kind), legal));
  else if (item.integer < 0 || item.integer > kMost)
    reader.fail(&item, fmt::format("{} holds {}, {} is needed", info.key, item.integer, legal));
  return std::to_string(item.integer);
}

/// The families of one table: `space`, `neighbours` or `narrow`.
static Result<std::map<std::string, KeyChoices>> readFamilies(const TomlValue& table, const std::string& file) {
  std::map<std::string, KeyChoices> families;
  std::vector<std::string> names = familyNames();
  if (table.kind != TomlValue::Kind::Table) return TomlReader(table, file).finish().error();
  for (const auto& [family, keys] : table.members) {
    auto known = std::find(names.begin(), names.end(), family);
    TomlReader reader(keys, file);
    if (keys.kind != TomlValue::Kind::Table) return reader.finish().error();
    if (known == names.end()) {
      reader.fail(&keys, fmt::format("unknown family '{}'{}; families: {}", escaped(family), didYouMean(family, names), join(names, " ")));
      return reader.finish().error();
    }
    Schedule example = exampleOf(static_cast<size_t>(known - names.begin()));
    for (const ScheduleKeyInfo& info : keysOf(example)) {
      const TomlValue* list = reader.take(info.key);
      if (list == nullptr) continue;
      std::vector<std::string> values;
      if (list->kind != TomlValue::Kind::Array || list->items.empty())
        reader.fail(list, fmt::format("{} is no array of values such as [4, 8]", info.key));
      for (const TomlValue& item : list->items) values.push_back(readValue(reader, item, info, example));
      families[family].emplace_back(info.key, std::move(values));
    }
    if (auto good = reader.finish(); !good) return good.error();
  }
  return families;
}

Result<SearchSpace> parseSearchSpace(const TomlValue& root, const std::string& file) {
  TomlReader top(root, file);
  const TomlValue* table = top.take("space");
  const TomlValue* neighbours = top.take("neighbours");
  const TomlValue* narrow = top.take("narrow");
  if (table == nullptr) top.fail(nullptr, "no [space.FAMILY] table");
  if (auto good = top.finish(); !good) return good.error();
  auto families = readFamilies(*table, file);
  if (!families) return families.error();
  SearchSpace space{file, std::move(*families), {}, {}};
  for (auto [from, into] : {std::pair{neighbours, &space.neighbours}, {narrow, &space.narrow}}) {
    if (from == nullptr) continue;
    auto read = readFamilies(*from, file);
    if (!read) return read.error();
    *into = std::move(*read);
  }
  return space;
}

Result<SearchSpace> readSearchSpace(const std::string& nameOrPath) {
  auto path = findConfig("tune", nameOrPath);
  if (!path) return Error{path.error().code, "configs/" + path.error().message};
  auto root = readToml(*path);
  if (!root) return root.error();
  return parseSearchSpace(*root, *path);
}

}  // namespace quern
