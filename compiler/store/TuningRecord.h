// compiler/store/TuningRecord.h — a decision about one op on one CPU, as a value and as a line of records.txt (README.md).
#pragma once

#include "compiler/base/Result.h"
#include "compiler/schedule/SizeBound.h"
#include "compiler/target/Target.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace quern {

/// `pin` and `unpin` are the user's; `tuned` the tuner's.
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
  std::string date;            ///< ISO 8601, UTC
  SizeBound most;              ///< decides for calls up to this size; of none: for all that no other decides
  double regret = 0;           ///< at this size, the time of the op's main schedule over this one's; 0: not known
  bool lowConfidence = false;  ///< the machine was not quiet when it was decided
};

std::string text(const TuningRecord& record);
/// Errors   BadCommand: what is missing, unknown or malformed; a number that no measurement gives (0, negative, NaN, infinite).
Result<TuningRecord> parseTuningRecord(std::string_view line);

/// The line with the checksum that is kept with it. Errors: as sha256.
Result<std::string> withChecksum(const std::string& line);
/// A line of the file: its checksum, if it has one (older programs wrote none), and every field. Errors: as parseTuningRecord.
Result<TuningRecord> parseRecordLine(std::string_view line);

/// Now, as records have it: 2026-11-22T08:00:00Z.
std::string timestamp();
/// What records are filed under: what the code may use and where it was measured.
std::string tuningCpu(const Target& target);
/// A text as it stands between the quotes of a record: no quotes, nothing that ends a line or moves a terminal's cursor.
std::string recordValue(std::string_view text);

}  // namespace quern
