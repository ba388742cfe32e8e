// compiler/store/TuningDb.cpp — see TuningDb.h.
#include "compiler/store/TuningDb.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

static const std::vector<std::string>& kindNames() {
  static const std::vector<std::string> names = {"tuned", "pin", "unpin"};
  return names;
}

static std::string single(std::string text) {
  for (char& c : text)
    if (c == '"') c = '\'';  // values are quoted with "
  return text;
}

std::string text(const TuningRecord& r) {
  std::string rows = r.rows > 0 ? fmt::format(" rows={}", r.rows) : "";
  return fmt::format("{} op=\"{}\"{} cpu=\"{}\" schedule=\"{}\" ratio={} median_ns={} candidates={} effort={} date={}",
                     kindNames()[static_cast<size_t>(r.kind)], single(r.op), rows, single(r.cpu), single(r.schedule), shortest(r.ratio),
                     shortest(r.medianNs), r.candidates, r.effort.empty() ? "-" : r.effort, r.date);
}

Result<TuningRecord> parseTuningRecord(std::string_view line) {
  auto keys = parseKeyValues(line, "tuning record", true);
  if (!keys) return keys.error();
  KeyReader reader(*keys, "tuning record");
  TuningRecord r;
  size_t kind = 0;
  while (kind < kindNames().size() && kindNames()[kind] != keys->head) ++kind;
  if (kind == kindNames().size()) return badInput("tuning record: unknown kind");
  r.kind = static_cast<TuningRecord::Kind>(kind);
  r.op = reader.takeOr("op", "");
  r.rows = reader.takeInt("rows", 0, 0, INT64_MAX);
  r.cpu = reader.takeOr("cpu", "");
  r.schedule = reader.takeOr("schedule", "");
  r.ratio = reader.takeDouble("ratio", 1);
  r.medianNs = reader.takeDouble("median_ns", 0);
  r.candidates = reader.takeInt("candidates", 0, 0, INT64_MAX);
  r.effort = reader.takeOr("effort", "-");
  r.date = reader.takeOr("date", "");
  if (r.op.empty() || r.cpu.empty() || r.date.empty()) reader.fail("op, cpu or date is missing: a torn line");
  if (auto good = reader.finish(); !good) return good.error();
  return r;
}

std::string tuningCpu(const Target& target) {
  return fmt::format("{} on {}", target.level, target.model.empty() ? target.name : target.model);
}

static std::string keyOf(std::string_view op, std::string_view cpu) { return single(fmt::format("{}\n{}", op, cpu)); }

void TuningDb::apply(const TuningRecord& record) {
  std::string key = keyOf(record.op, record.cpu);
  if (record.rows > 0) {
    rowClasses_[key][record.rows] = record;
    return;
  }
  if (record.kind == TuningRecord::Kind::Tuned) {
    tuned_[key] = record;
    rowClasses_.erase(key);  // they share the weight as the former decision packed it
  }
  if (record.kind == TuningRecord::Kind::Pinned) pinned_[key] = record;
  if (record.kind == TuningRecord::Kind::Unpinned) pinned_.erase(key);
}

TuningDb TuningDb::open(const std::vector<std::string>& directories) {
  TuningDb db;
  if (!directories.empty()) db.file_ = directories[0] + "/records.txt";
  for (size_t i = directories.size(); i > 0; --i) {  // the first directory has the last word
    auto text = readFile(directories[i - 1] + "/records.txt");
    if (!text) continue;
    for (const std::string& line : split(*text, '\n'))
      if (auto record = parseTuningRecord(line)) db.apply(*record);
  }
  return db;
}

std::optional<TuningDb::Choice> TuningDb::choose(const OpDesc& op, const Target& target) const {
  std::string key = keyOf(text(op), tuningCpu(target));
  if (auto found = pinned_.find(key); found != pinned_.end()) return Choice{found->second.schedule, true, found->second};
  if (auto found = tuned_.find(key); found != tuned_.end()) return Choice{found->second.schedule, false, found->second};
  return std::nullopt;
}

std::vector<TuningRecord> TuningDb::rowClasses(const OpDesc& op, const Target& target) const {
  std::vector<TuningRecord> list;
  auto found = rowClasses_.find(keyOf(text(op), tuningCpu(target)));
  if (found == rowClasses_.end()) return list;
  for (const auto& [rows, record] : found->second) list.push_back(record);
  return list;
}

Result<void> TuningDb::add(const TuningRecord& record) {
  if (file_.empty()) return machineLacks("there is no cache directory to keep tuning records in");
  if (auto good = makeDirectories(file_.substr(0, file_.rfind('/')), 0700); !good) return good;
  if (auto good = appendLine(file_, text(record)); !good) return good;
  apply(record);
  return {};
}

}  // namespace quern
