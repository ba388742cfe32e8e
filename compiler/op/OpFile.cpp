// compiler/op/OpFile.cpp — see OpFile.h.
#include "compiler/op/OpFile.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>

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
    case TomlValue::Kind::Date:
    case TomlValue::Kind::Table: break;
  }
  return "{}";
}

static std::string positionOf(const TomlValue& value, const std::string& file) {
  return fmt::format("{}:{}:{}", escaped(file), value.line, value.column);
}

/// The value that a message about the op is about, which names its key; else the whole table.
static const TomlValue& meantBy(const std::string& message, const TomlValue& table) {
  for (const auto& [key, value] : table.members)
    for (const std::string& named : {fmt::format("'{}'", escaped(key)), fmt::format(" {}=", escaped(key))})
      if (message.find(named) != std::string::npos) return value;
  const TomlValue* text = table.find("text");
  return text != nullptr ? *text : table;
}

/// The keys of an entry, sorted out: text or the op's own, and what stands beside them.
struct EntryKeys {
  KeyValues op;
  const std::string* whole = nullptr;
};

/// Errors   What is wrong, for the position of the value that meantBy finds.
static Result<EntryKeys> sortKeys(const TomlValue& table, OpEntry& entry) {
  EntryKeys keys;
  const std::pair<const char*, std::string*> strings[] = {
      {"id", &entry.id}, {"schedule", &entry.schedule}, {"cpu", &entry.cpu}, {"op", &keys.op.head}};
  for (const auto& [key, value] : table.members) {
    auto known = std::find_if(std::begin(strings), std::end(strings), [&, name = key](const auto& one) { return name == one.first; });
    bool ours = known != std::end(strings) || key == "text";
    if (ours && value.kind != TomlValue::Kind::String)
      return badInput(fmt::format("'{}' is {}, a string is needed", key, kindName(value.kind)));
    if (key == "text") keys.whole = &value.string;
    else if (ours) *known->second = value.string;
    else keys.op.set(key, asOpValue(value));
  }
  const std::vector<std::string> beside = {"id", "schedule", "cpu", "text", "op"};
  if (keys.whole != nullptr || keys.op.head.empty())
    for (const auto& [key, value] : keys.op.pairs)
      if (auto meant = nearest(key, beside)) return badInput(fmt::format("unknown key '{}', did you mean '{}'?", escaped(key), *meant));
  if (keys.whole != nullptr && (!keys.op.head.empty() || !keys.op.pairs.empty()))
    return badInput("an op has text = \"...\" or its keys apart, not both");
  if (keys.whole == nullptr && keys.op.head.empty()) return badInput("an op has text = \"...\", or op = \"NAME\" and its keys");
  return keys;
}

static Result<OpEntry> parseEntry(const TomlValue& table, const std::string& file, size_t index) {
  OpEntry entry;
  entry.id = fmt::format("op-{}", index + 1);
  entry.at = positionOf(table, file);
  auto located = [&](const std::string& what) { return badInput(fmt::format("{}: {}", positionOf(meantBy(what, table), file), what)); };
  auto keys = sortKeys(table, entry);
  if (!keys) return located(keys.error().message);
  auto op = keys->whole != nullptr ? parseOp(*keys->whole) : opFromKeys(keys->op);
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
        return badInput(fmt::format("{}: id '{}' is given twice", positionOf(*tables[i], file), escaped(entry->id)));
    out.entries.push_back(std::move(*entry));
  }
  if (out.entries.empty()) return badInput(fmt::format("{}: no [[op]] in it", positionOf(root, file)));
  return out;
}

Result<OpFile> readOpFile(const std::string& path) {
  auto root = readToml(path);
  if (!root) return root.error();
  return parseOpFile(*root, path);
}

}  // namespace quern
