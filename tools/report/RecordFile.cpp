// tools/report/RecordFile.cpp — see RecordFile.h.
#include "tools/report/RecordFile.h"

#include "compiler/base/Text.h"

#include <cmath>
#include <fmt/format.h>

namespace quern {

namespace {

constexpr int64_t kMaxCount = 1000000000;

/// A table of numbers, column by column.
Columns takeColumns(TomlReader& reader, std::string_view key) {
  Columns columns;
  const TomlValue* table = reader.take(key);
  if (table == nullptr) return columns;
  if (table->kind != TomlValue::Kind::Table) {
    reader.fail(table, fmt::format("{} is no table of columns such as {{ baseline = 1.5 }}", key));
    return columns;
  }
  for (const auto& [column, value] : table->members) {
    bool number = value.kind == TomlValue::Kind::Float || value.kind == TomlValue::Kind::Integer;
    if (!number || !std::isfinite(value.number) || value.number < 0)
      reader.fail(&value, fmt::format("{}.{} is not a number of 0 or more", key, escaped(column)));
    columns[column] = value.number;
  }
  return columns;
}

std::optional<double> takeOptional(TomlReader& reader, std::string_view key) {
  if (reader.table().find(key) == nullptr) return reader.take(key), std::nullopt;
  return reader.takeNumber(key, 0);
}

Result<RecordRow> readRow(const TomlValue& table, const std::string& file) {
  TomlReader reader(table, file);
  RecordRow row;
  row.at = fmt::format("{}:{}:{}", escaped(file), table.line, table.column);
  row.id = reader.needString("id");
  row.category = reader.needString("category");
  row.workload = reader.takeString("workload").value_or(row.workload);
  row.data = reader.takeString("data").value_or(row.data);
  row.draw = reader.takeString("draw").value_or(row.draw);
  row.op = reader.takeString("op").value_or("");
  row.calls = reader.takeInt("calls", 1, 1, kMaxCount);
  row.warmup = reader.takeInt("warmup", 0, 0, kMaxCount);
  row.allocResult = reader.takeBool("alloc_result", false);
  row.inTotals = reader.takeBool("in_totals", true);
  row.ms = takeColumns(reader, "ms");
  row.allocatedMib = takeColumns(reader, "allocated_mib");
  row.samplesPerS = takeColumns(reader, "samples_per_s");
  row.otherFormMs = takeColumns(reader, "other_form_ms");
  row.samplesPerCall = reader.takeInt("samples_per_call", 0, 0, kMaxCount);
  for (const char* name : {"c00", "sum", "y0", "max", "min"})
    if (auto value = takeOptional(reader, fmt::format("check_{}", name))) row.checks[name] = *value;
  row.targetGflops = takeOptional(reader, "target_gflops");
  row.unpooledMib = takeOptional(reader, "unpooled_mib");
  row.reductionTargetPercent = takeOptional(reader, "reduction_target_percent");
  row.noisePercent = takeOptional(reader, "noise_percent");
  for (const char* name : {"m", "k", "n", "h"})
    if (table.find(name) != nullptr) row.sizes[name] = reader.takeInt(name, std::nullopt, 1, 1 << 20);
    else reader.take(name);
  if (row.workload == "op" && row.op.empty()) reader.fail(nullptr, "a row of workload \"op\" has op = \"...\"");
  if (auto good = reader.finish(); !good) return good.error();
  return row;
}

Result<RecordModel> readModel(const TomlValue& table, const std::string& file) {
  TomlReader reader(table, file);
  RecordModel model;
  model.at = fmt::format("{}:{}:{}", escaped(file), table.line, table.column);
  model.id = reader.needString("id");
  reader.take("category");
  model.workload = reader.takeString("workload").value_or(model.workload);
  model.gelu = reader.takeString("gelu").value_or(model.gelu);
  const std::pair<const char*, int64_t*> sizes[] = {
      {"steps", &model.steps}, {"prompt", &model.prompt}, {"vocab", &model.vocab}, {"context", &model.context},
      {"width", &model.width}, {"layers", &model.layers}, {"heads", &model.heads}, {"parameters", &model.parameters}};
  for (auto [key, into] : sizes) *into = reader.takeInt(key, std::nullopt, 1, kMaxCount * 64);
  model.promptIds = reader.takeNumbers("prompt_ids");
  model.createMs = takeColumns(reader, "create_ms");
  model.ms = takeColumns(reader, "ms");
  model.tokensPerS = takeColumns(reader, "tokens_per_s");
  model.allocatedMibPerToken = takeColumns(reader, "allocated_mib_per_token");
  model.arenaBytes = takeOptional(reader, "arena_bytes");
  model.unsharedBytes = takeOptional(reader, "unshared_bytes");
  if (auto good = reader.finish(); !good) return good.error();
  return model;
}

Result<RecordDerived> readDerived(const TomlValue& table, const std::string& file) {
  TomlReader reader(table, file);
  RecordDerived derived;
  derived.id = reader.needString("id");
  derived.category = reader.needString("category");
  derived.of = reader.takeStrings("of");
  derived.timedCalls = reader.takeInt("timed_calls", 0, 0, kMaxCount);
  derived.ms = takeColumns(reader, "ms");
  if (auto good = reader.finish(); !good) return good.error();
  return derived;
}

/// The tables beside the rows.
Result<void> readHead(RecordFile& record, TomlReader& top, const std::string& file) {
  static const TomlValue kEmpty;
  auto sub = [&](std::string_view key) {
    const TomlValue* table = top.take(key);
    return TomlReader(table != nullptr ? *table : kEmpty, file);
  };
  TomlReader source = sub("source");
  record.name = source.takeString("name").value_or(file.substr(file.rfind('/') + 1));
  record.machine = source.takeString("machine").value_or("unknown machine");
  record.cpu = source.takeString("cpu").value_or("");
  record.ownColumn = source.takeString("own_column").value_or("");
  for (const char* key : {"baseline_at", "current_at", "recorded_at"}) source.take(key);
  if (auto good = source.finish(); !good) return good;
  TomlReader generator = sub("generator");
  record.seed = static_cast<int32_t>(generator.takeInt("seed", 42, 0, INT32_MAX));
  generator.takeNumbers("first_uniform_minus1_1");
  if (auto good = generator.finish(); !good) return good;
  TomlReader totals = sub("totals");
  record.runtimeMs = takeColumns(totals, "runtime_ms");
  record.allocatedMib = takeColumns(totals, "allocated_mib");
  record.runtimeMsDisjoint = takeColumns(totals, "runtime_ms_disjoint");
  record.allocatedMibDisjoint = takeColumns(totals, "allocated_mib_disjoint");
  if (auto good = totals.finish(); !good) return good;
  record.ceilings = takeColumns(top, "ceilings");
  return {};
}

/// Reads every table of an array of tables into `into`.
template <class T>
Result<void> readAll(std::vector<T>& into, TomlReader& top, std::string_view key, Result<T> (*read)(const TomlValue&, const std::string&)) {
  for (const TomlValue* table : top.takeTables(key)) {
    auto one = read(*table, top.file());
    if (!one) return one.error();
    into.push_back(std::move(*one));
  }
  return {};
}

}  // namespace

Result<RecordFile> parseRecordFile(const TomlValue& root, const std::string& path) {
  RecordFile record;
  record.file = path;
  TomlReader top(root, path);
  if (auto good = readHead(record, top, path); !good) return good.error();
  if (auto good = readAll(record.rows, top, "row", readRow); !good) return good.error();
  if (auto good = readAll(record.derived, top, "derived", readDerived); !good) return good.error();
  if (auto good = readAll(record.models, top, "model", readModel); !good) return good.error();
  if (auto good = top.finish(); !good) return good.error();
  if (record.rows.empty() && record.models.empty()) return badInput(fmt::format("{}:1:1: no [[row]] and no [[model]]", escaped(path)));
  return record;
}

Result<RecordFile> readRecordFile(const std::string& path) {
  auto root = readToml(path);
  if (!root) return root.error();
  return parseRecordFile(*root, path);
}

static void put(std::string& out, std::string_view key, const Columns& columns) {
  if (columns.empty()) return;
  std::vector<std::string> parts;
  for (const auto& [column, value] : columns) parts.push_back(fmt::format("{} = {}", column, shortest(value)));
  // TOML wants a point in a float: whole numbers stand as integers, which read back the same.
  out += fmt::format("{} = {{ {} }}\n", key, join(parts, ", "));
}

static std::string rowText(const RecordRow& row) {
  std::string out = fmt::format("\n[[row]]\nid = {}\ncategory = {}\nworkload = {}\ndata = {}\ndraw = {}\n", tomlQuoted(row.id),
                                tomlQuoted(row.category), tomlQuoted(row.workload), tomlQuoted(row.data), tomlQuoted(row.draw));
  if (!row.op.empty()) out += fmt::format("op = {}\n", tomlQuoted(row.op));
  out += fmt::format("calls = {}\nwarmup = {}\nalloc_result = {}\nin_totals = {}\n", row.calls, row.warmup, row.allocResult, row.inTotals);
  put(out, "ms", row.ms);
  put(out, "allocated_mib", row.allocatedMib);
  put(out, "samples_per_s", row.samplesPerS);
  if (row.samplesPerCall > 0) out += fmt::format("samples_per_call = {}\n", row.samplesPerCall);
  for (const auto& [name, value] : row.checks) out += fmt::format("check_{} = {}\n", name, shortest(value));
  const std::pair<const char*, const std::optional<double>*> optional[] = {{"target_gflops", &row.targetGflops},
                                                                           {"unpooled_mib", &row.unpooledMib},
                                                                           {"reduction_target_percent", &row.reductionTargetPercent},
                                                                           {"noise_percent", &row.noisePercent}};
  for (auto [key, value] : optional)
    if (*value) out += fmt::format("{} = {}\n", key, shortest(**value));
  for (const auto& [name, value] : row.sizes) out += fmt::format("{} = {}\n", name, value);
  return out;
}

static std::string modelText(const RecordModel& m) {
  std::string out = fmt::format(
      "\n[[model]]\nid = {}\nworkload = {}\ngelu = {}\nsteps = {}\nprompt = {}\nvocab = {}\ncontext = {}\nwidth = {}\nlayers = {}\nheads = "
      "{}\nparameters = {}\n",
      tomlQuoted(m.id), tomlQuoted(m.workload), tomlQuoted(m.gelu), m.steps, m.prompt, m.vocab, m.context, m.width, m.layers, m.heads,
      m.parameters);
  put(out, "create_ms", m.createMs);
  put(out, "ms", m.ms);
  put(out, "tokens_per_s", m.tokensPerS);
  put(out, "allocated_mib_per_token", m.allocatedMibPerToken);
  if (m.arenaBytes) out += fmt::format("arena_bytes = {}\n", shortest(*m.arenaBytes));
  if (m.unsharedBytes) out += fmt::format("unshared_bytes = {}\n", shortest(*m.unsharedBytes));
  return out;
}

std::string text(const RecordFile& record) {
  std::string out =
      fmt::format("[source]\nname = {}\nmachine = {}\ncpu = {}\nown_column = {}\n\n[generator]\nseed = {}\n\n[totals]\n",
                  tomlQuoted(record.name), tomlQuoted(record.machine), tomlQuoted(record.cpu), tomlQuoted(record.ownColumn), record.seed);
  put(out, "runtime_ms", record.runtimeMs);
  put(out, "allocated_mib", record.allocatedMib);
  put(out, "runtime_ms_disjoint", record.runtimeMsDisjoint);
  put(out, "allocated_mib_disjoint", record.allocatedMibDisjoint);
  if (!record.ceilings.empty()) {
    out += "\n[ceilings]\n";
    for (const auto& [name, value] : record.ceilings) out += fmt::format("{} = {}\n", name, shortest(value));
  }
  for (const RecordRow& row : record.rows) out += rowText(row);
  for (const RecordModel& model : record.models) out += modelText(model);
  return out;
}

}  // namespace quern
