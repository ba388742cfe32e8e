// compiler/store/TuningDb.cpp — see TuningDb.h.
#include "compiler/store/TuningDb.h"

#include "compiler/base/Log.h"
#include "compiler/base/Text.h"
#include "compiler/store/CacheNames.h"

#include <fmt/format.h>
#include <map>
#include <set>

namespace quern {

/// Files with more lines are not judged whole at the start, but line by line as ops are asked for: a million would take seconds.
static constexpr size_t kJudgedAtStart = 4096;

/// What is known about one op on one CPU, from the newest record to the oldest.
struct TuningDb::Decision {
  std::optional<TuningRecord> user, tuned;        ///< the user's pin or unpin; the tuner's
  std::map<SizeBound, TuningRecord> sizeClasses;  ///< of `tuned`

  bool wants(TuningRecord::Kind kind) const { return kind == TuningRecord::Kind::Tuned ? !tuned : !user; }
  void take(TuningRecord record) {
    if (!wants(record.kind)) return;
    if (record.kind != TuningRecord::Kind::Tuned) user = std::move(record);
    else if (!record.most.any()) sizeClasses.try_emplace(record.most, std::move(record));
    else tuned = std::move(record);
  }
};

/// Says once what of a file is not used.
static void sayHealth(const RecordLines& file) {
  if (file.size() > kJudgedAtStart) return;
  RecordLines::Health health = file.health();
  if (health.bad == 0) return;
  logWarning(fmt::format("{}: {} of {} records {} not used; the first: {}", escaped(file.path()), health.bad, health.bad + health.good,
                         health.bad == 1 ? "is" : "are", health.firstReason));
}

TuningDb TuningDb::open(const std::vector<std::string>& directories) {
  TuningDb db;
  if (!directories.empty()) db.directory_ = directories[0];
  for (const std::string& directory : directories) {
    auto folder = TrustedFolder::open(directory);
    if (!folder || !*folder) continue;  // a folder that is not trusted is said by the cache
    auto file = RecordLines::open(**folder);
    if (!file) logWarning(fmt::format("{}; no tuning is taken from it", file.error().message));
    if (!file || !*file) continue;
    sayHealth(**file);
    db.files_.push_back(std::move(**file));
  }
  return db;
}

TuningDb::Decision TuningDb::decide(const OpDesc& op, const Target& target) const {
  std::string name = recordValue(text(op)), cpu = recordValue(tuningCpu(target));
  Decision decision;
  for (size_t i = added_.size(); i > 0; --i)
    if (recordValue(added_[i - 1].op) == name && recordValue(added_[i - 1].cpu) == cpu) decision.take(added_[i - 1]);
  for (const RecordLines& file : files_)
    file.visit(
        name, [&](TuningRecord::Kind kind) { return decision.wants(kind); },
        [&](TuningRecord record) {
          if (record.cpu == cpu) decision.take(std::move(record));
        });
  return decision;
}

std::optional<TuningDb::Choice> TuningDb::choose(const OpDesc& op, const Target& target) const {
  Decision decision = decide(op, target);
  if (decision.user && decision.user->kind == TuningRecord::Kind::Pinned) return Choice{decision.user->schedule, true, *decision.user};
  if (decision.tuned) return Choice{decision.tuned->schedule, false, *decision.tuned};
  return std::nullopt;
}

std::vector<TuningRecord> TuningDb::sizeClasses(const OpDesc& op, const Target& target) const {
  std::vector<TuningRecord> list;
  for (const auto& [most, record] : decide(op, target).sizeClasses) list.push_back(record);
  return list;
}

std::vector<TuningRecord> TuningDb::elsewhere(const OpDesc& op, const Target& target) const {
  std::string name = recordValue(text(op)), here = recordValue(tuningCpu(target));
  std::vector<TuningRecord> list;
  std::set<std::string> cpus = {here};
  for (const RecordLines& file : files_)
    file.visit(
        name, [](TuningRecord::Kind kind) { return kind == TuningRecord::Kind::Tuned; },
        [&](TuningRecord record) {
          if (record.most.any() && cpus.insert(record.cpu).second) list.push_back(std::move(record));
        });
  return list;
}

std::vector<std::string> TuningDb::tunedOps(const Target& target) const {
  std::string here = recordValue(tuningCpu(target));
  std::vector<std::string> ops;
  std::set<std::string> seen;
  auto take = [&](const TuningRecord& record) {
    if (record.kind == TuningRecord::Kind::Tuned && record.most.any() && recordValue(record.cpu) == here && seen.insert(record.op).second)
      ops.push_back(record.op);
  };
  for (const RecordLines& file : files_) file.each(take);
  for (const TuningRecord& record : added_) take(record);
  return ops;
}

Result<void> TuningDb::add(const std::vector<TuningRecord>& records) {
  if (directory_.empty()) return machineLacks("there is no cache directory to keep tuning records in");
  auto folder = TrustedFolder::make(directory_);
  if (!folder) return folder.error();
  std::string lines;
  for (const TuningRecord& record : records) {
    auto line = withChecksum(text(record));
    if (!line) return line.error();
    lines += (lines.empty() ? "" : "\n") + *line;
  }
  if (auto good = folder->append(kRecordFile, lines); !good) return good;
  added_.insert(added_.end(), records.begin(), records.end());
  return {};
}

}  // namespace quern
