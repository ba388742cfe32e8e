// compiler/store/TuningDb.h — which schedule runs an op here: pinned, else tuned, else none. From records.txt of the cache's directories.
#pragma once

#include "compiler/op/OpDesc.h"
#include "compiler/store/RecordLines.h"

#include <optional>
#include <string>
#include <vector>

namespace quern {

/// Lines are appended and synced. One that is torn, damaged or holds numbers that no measurement gives is skipped; how many were is said
/// once. A later line about the same op and CPU replaces an earlier one of its kind; the first directory has the last word.
class TuningDb {
public:
  static TuningDb open(const std::vector<std::string>& cacheDirectories);

  /// The schedule text to use, and whether it was pinned.
  struct Choice {
    std::string schedule;
    bool pinned = false;
    TuningRecord record;
  };
  std::optional<Choice> choose(const OpDesc& op, const Target& target) const;
  /// What was tuned for small calls, in the order of their bounds. A new decision about the whole op voids these.
  std::vector<TuningRecord> sizeClasses(const OpDesc& op, const Target& target) const;

  /// What was tuned for this op on other CPUs, the newest of each: it decides nothing here.
  std::vector<TuningRecord> elsewhere(const OpDesc& op, const Target& target) const;

  /// Texts of the ops that were tuned for this CPU, each once, in the order in which they were. Cost: every record is read.
  std::vector<std::string> tunedOps(const Target& target) const;

  /// Appends to the first directory and takes effect here. Errors: Machine.
  Result<void> add(const TuningRecord& record) { return add(std::vector<TuningRecord>{record}); }
  /// Several in one write: what belongs together is there together, or not at all.
  Result<void> add(const std::vector<TuningRecord>& records);

private:
  struct Decision;
  Decision decide(const OpDesc& op, const Target& target) const;

  std::string directory_;           ///< written; empty: none
  std::vector<RecordLines> files_;  ///< the first has the last word
  std::vector<TuningRecord> added_;
};

}  // namespace quern
