// compiler/store/TuningDb.h — which schedule runs an op here: pinned, else tuned, else none. Text, one line a decision.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/op/OpDesc.h"
#include "compiler/target/Target.h"

#include <map>
#include <optional>
#include <string>

namespace quern {

/// A decision about one op on one CPU. `pin` and `unpin` are the user's; `tuned` the tuner's.
struct TuningRecord {
  enum class Kind : uint8_t { Tuned, Pinned, Unpinned };
  Kind kind = Kind::Tuned;
  std::string op;
  std::string cpu;  ///< level of the code and model of the CPU it was decided on
  std::string schedule;
  double ratio = 1;        ///< default's time over this one's
  double medianNs = 0;     ///< of one call
  int64_t candidates = 0;  ///< timed
  std::string effort;
  std::string date;  ///< ISO 8601, UTC
  int64_t rows = 0;  ///< decides for calls with at most so many rows; 0: for all that no other decides
};

std::string text(const TuningRecord& record);
Result<TuningRecord> parseTuningRecord(std::string_view line);

/// What records are filed under: what the code may use and where it was measured.
std::string tuningCpu(const Target& target);

/// `records.txt` of a cache's directories. Lines are appended and synced; a torn or unknown line is skipped. A later line
/// about the same op and CPU replaces an earlier one of its kind.
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
  /// What was tuned for few rows, fewest first. A new decision about the whole op voids these.
  std::vector<TuningRecord> rowClasses(const OpDesc& op, const Target& target) const;

  /// Appends to the first directory and takes effect here. Errors: Machine.
  Result<void> add(const TuningRecord& record);

  size_t size() const { return tuned_.size() + pinned_.size(); }

private:
  void apply(const TuningRecord& record);

  std::string file_;
  std::map<std::string, TuningRecord> tuned_, pinned_;                 // by op and cpu
  std::map<std::string, std::map<int64_t, TuningRecord>> rowClasses_;  // by op and cpu, then rows
};

}  // namespace quern
