// tuner/records/Journal.h — the tuner's memory: what was found is on disk before it is used, and a run that was ended goes on from there.
#pragma once

#include "compiler/store/TuningRecord.h"
#include "tuner/records/JournalLine.h"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace quern {

/// journal.txt of a cache directory: only ever appended to, each line with a checksum and synced. Lines that are torn, damaged or of a
/// form that this program does not know are set aside, which is said once.
class Journal {
public:
  /// One that lasts as long as the process.
  Journal() = default;
  /// Of a directory that need not exist yet; empty: none. Errors: BadInput, as TrustedFolder's.
  static Result<Journal> open(const std::string& directory);

  /// Every good line, oldest first, of all runs whose question `wanted` takes.
  std::vector<JournalLine> lines(const std::function<bool(const TuneQuestion&)>& wanted) const;
  /// Writes lines, all or a first part of them. Errors: Machine.
  Result<void> add(const std::vector<JournalLine>& lines);
  const std::string& directory() const { return directory_; }
  /// Good lines.
  size_t size() const { return text_.size(); }

private:
  std::string directory_;
  std::vector<std::string> text_;  ///< without checksums; what is added comes behind
};

/// Would a candidate that is out for this reason be out again, in whatever run of the same generator? One that took too long may have been
/// unlucky.
bool lasting(const std::string& outcome);

/// One run of a contest as the journal has it: what is recorded is taken from there, in its order; what is new is written.
class RunLog {
public:
  /// Goes on with the newest run about this question that has no end, or begins one.
  RunLog(Journal& journal, const TuneQuestion& question);

  bool continues() const { return continues_; }
  const std::string& id() const { return id_; }
  /// What became of a candidate in this run; one that crashed, was wrong or did not compile in any run of the same generator.
  const JournalLine* met(const std::string& schedule) const;
  /// The next recorded turn of so many pairs; none: it has to be timed.
  std::optional<JournalLine> nextTurn(const std::string& schedule, int pairs);
  std::optional<std::string> again(const std::string& schedule) const;

  /// Errors: as Journal::add. The line's run is filled in.
  Result<void> add(JournalLine line);
  /// A run that found its answer, which is kept elsewhere by now.
  Result<void> end(JournalLine line);

private:
  Journal& journal_;
  TuneQuestion question_;
  std::string id_;
  bool begun_ = false;  ///< its first line is written
  bool continues_ = false;
  std::map<std::string, JournalLine> met_;
  std::map<std::string, std::deque<JournalLine>> turns_;
  std::map<std::string, std::string> again_;
};

/// What a question's effort ends with where a winner meets the default once more.
inline constexpr std::string_view kConfirmPart = " confirm";
/// Where this winner has yet to meet the default once more: as the question of the search that it is from says (`at`). None: it did since
/// then, or the journal has no such search, and there is nothing to go on with.
std::optional<std::string> meetingDue(const Journal& journal, const TuningRecord& winner);
/// Where the op of a record was tuned last on its CPU: `at` of the newest run about all of the op that has an end. None: no journal tells.
std::optional<std::string> tunedAt(const Journal& journal, const TuningRecord& winner);

}  // namespace quern
