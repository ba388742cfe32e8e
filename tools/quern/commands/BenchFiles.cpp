// tools/quern/commands/BenchFiles.cpp — see BenchFiles.h.
#include "tools/quern/commands/BenchFiles.h"

#include "compiler/base/InputFile.h"
#include "compiler/base/Text.h"
#include "compiler/op/OpDesc.h"
#include "models/files/Json.h"

#include <cmath>
#include <fmt/format.h>

namespace quern {

namespace {

constexpr int64_t kMostBenchBytes = int64_t{16} << 20;
constexpr double kLeastFigure = 1e-6, kMostFigure = 1e18;

/// A positive figure. Errors: BadInput naming `where`.
Result<double> figureAt(const JsonValue& object, const char* key, const std::string& where) {
  const JsonValue* found = object.find(key);
  auto value = found != nullptr ? found->number() : std::nullopt;
  if (!value) return badInput(fmt::format("{}: '{}' is {}, a number is needed", where, key, found != nullptr ? found->kind() : "missing"));
  if (!(*value >= kLeastFigure && *value <= kMostFigure))
    return badInput(fmt::format("{}: '{}' is {}, which no measurement gives", where, key, shortest(*value)));
  return *value;
}

Result<Interval> intervalAt(const JsonValue& object, const std::string& key, const std::string& where) {
  auto middle = figureAt(object, key.c_str(), where);
  if (!middle) return middle.error();
  Interval interval{*middle, 0, 0};
  if (object.find(key + "_low") == nullptr && object.find(key + "_high") == nullptr) return interval;
  auto low = figureAt(object, (key + "_low").c_str(), where), high = figureAt(object, (key + "_high").c_str(), where);
  if (!low) return low.error();
  if (!high) return high.error();
  interval.low = *low, interval.high = *high;
  return interval;
}

std::string stringAt(const JsonValue& object, const char* key) {
  const JsonValue* found = object.find(key);
  const auto* text = found != nullptr ? found->as<std::string>() : nullptr;
  return text != nullptr ? *text : "";
}

/// The peers that have a ratio.
Result<std::vector<BenchedPeer>> peersOf(const JsonValue& row, const std::string& where) {
  std::vector<BenchedPeer> peers;
  const JsonValue* all = row.find("peers");
  const auto* members = all != nullptr ? all->as<JsonObject>() : nullptr;
  if (members == nullptr) return peers;
  for (const auto& [name, figures] : *members) {
    if (figures.find("ratio") == nullptr) continue;  // absent, or not this op
    auto ratio = intervalAt(figures, "ratio", fmt::format("{}: {}", where, escapedShort(name)));
    if (!ratio) return ratio.error();
    peers.push_back({name, *ratio});
  }
  return peers;
}

Result<void> addRow(std::map<std::string, std::vector<BenchedRow>>& rows, const JsonValue& row, const std::string& file) {
  auto op = parseOp(stringAt(row, "op"));
  if (!op) return {};  // a recorded loop, a model
  std::string where = fmt::format("{}: {}", escaped(file), text(*op));
  auto peers = peersOf(row, where);
  if (!peers || peers->empty()) return peers ? Result<void>() : peers.error();
  auto ns = intervalAt(row, "warm_ns", where);
  if (!ns) return ns.error();
  const JsonValue* threads = row.find("threads");
  int64_t count = threads != nullptr ? threads->integer().value_or(1) : 1;
  rows[text(*op)].push_back({stringAt(row, "schedule"), stringAt(row, "note"), count, *ns, std::move(*peers)});
  return {};
}

}  // namespace

Result<std::map<std::string, std::vector<BenchedRow>>> readBenchFiles(const std::vector<std::string>& paths) {
  std::map<std::string, std::vector<BenchedRow>> all;
  for (const std::string& path : paths) {
    auto bytes = readFile(path, kMostBenchBytes);
    if (!bytes) return bytes.error();
    auto tree = parseJson({*bytes, path}, kMostBenchBytes);
    if (!tree) return tree.error();
    const JsonValue* rows = tree->find("rows");
    const auto* list = rows != nullptr ? rows->as<JsonArray>() : nullptr;
    if (list == nullptr) return badInput(fmt::format("{}: has no list 'rows', as quern bench --json writes it", escaped(path)));
    for (const JsonValue& row : *list)
      if (auto good = addRow(all, row, path); !good) return good.error();
  }
  return all;
}

}  // namespace quern
