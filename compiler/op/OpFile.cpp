// compiler/op/OpFile.cpp — see OpFile.h.
#include "compiler/op/OpFile.h"

#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

/// A TOML value as it would stand behind '=' in op text: arrays are shapes.
static std::string asOpValue(const TomlValue& value) {
  switch (value.kind) {
    case TomlValue::Kind::String: return value.string;
    case TomlValue::Kind::Integer: return std::to_string(value.integer);
    case TomlValue::Kind::Float: return shortest(value.number);
    case TomlValue::Kind::Boolean: return value.boolean ? "1" : "0";
    case TomlValue::Kind::Array: {
      std::vector<std::string> parts;
      for (const TomlValue& item : value.items) parts.push_back(asOpValue(item));
      return join(parts, "x");
    }
    case TomlValue::Kind::Table: break;
  }
  return "{}";
}

static Result<OpEntry> parseEntry(const TomlValue& table, const std::string& file, size_t index) {
  OpEntry entry;
  entry.id = fmt::format("op-{}", index + 1);
  KeyValues keys;
  const std::string* whole = nullptr;
  for (const auto& [key, value] : table.members) {
    bool isString = value.kind == TomlValue::Kind::String;
    if (key == "id" && isString) entry.id = value.string;
    else if (key == "schedule" && isString) entry.schedule = value.string;
    else if (key == "cpu" && isString) entry.cpu = value.string;
    else if (key == "text" && isString) whole = &value.string;
    else if (key == "op" && isString) keys.head = value.string;
    else keys.set(key, asOpValue(value));
  }
  auto located = [&](const std::string& what) {
    return badInput(fmt::format("{}:{}:{}: {}", escaped(file), table.line, table.column, what));
  };
  for (const auto& [key, value] : table.members)
    if ((key == "id" || key == "schedule" || key == "cpu" || key == "text" || key == "op") && value.kind != TomlValue::Kind::String)
      return located(fmt::format("{} is not a string", key));
  const std::vector<std::string> beside = {"id", "schedule", "cpu"};
  if (whole != nullptr && keys.head.empty())
    for (const auto& [key, value] : keys.pairs)
      if (auto meant = nearest(key, beside)) return located(fmt::format("unknown key '{}', did you mean '{}'?", escaped(key), *meant));
  if (whole != nullptr && (!keys.head.empty() || !keys.pairs.empty()))
    return located("an op has text = \"...\" or its keys apart, not both");
  auto op = whole != nullptr ? parseOp(*whole) : opFromKeys(keys);
  if (!op) return located(op.error().message);
  entry.op = std::move(*op);
  return entry;
}

Result<OpFile> parseOpFile(const TomlValue& root, const std::string& file) {
  OpFile out;
  TomlReader reader(root, file);
  out.name = file.substr(file.rfind('/') + 1);
  if (const TomlValue* suite = reader.take("suite"); suite != nullptr) {
    TomlReader about(*suite, file);
    out.name = about.takeString("name").value_or(out.name);
    if (auto good = about.finish(); !good) return good.error();
  }
  std::vector<const TomlValue*> tables = reader.takeTables("op");
  if (auto good = reader.finish(); !good) return good.error();
  for (size_t i = 0; i < tables.size(); ++i) {
    auto entry = parseEntry(*tables[i], file, i);
    if (!entry) return entry.error();
    for (const OpEntry& other : out.entries)
      if (other.id == entry->id)
        return badInput(
            fmt::format("{}:{}:{}: id '{}' is given twice", escaped(file), tables[i]->line, tables[i]->column, escaped(entry->id)));
    out.entries.push_back(std::move(*entry));
  }
  if (out.entries.empty()) return badInput(fmt::format("{}: no [[op]] in it", escaped(file)));
  return out;
}

Result<OpFile> readOpFile(const std::string& path) {
  auto root = readToml(path);
  if (!root) return root.error();
  return parseOpFile(*root, path);
}

}  // namespace quern
