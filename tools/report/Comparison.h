// tools/report/Comparison.h — two records, row by row: changes, verdicts, trends, what to do.
#pragma once

#include "tools/report/RecordFile.h"

#include <optional>

namespace quern {

/// One column of a record file.
struct RecordColumn {
  RecordFile file;
  std::string column;
  std::string label;  ///< as the user wrote it
};

enum class Verdict : uint8_t { Improved, Unchanged, Regressed, Critical };
std::string_view text(Verdict verdict);

/// A row that both records have.
struct ComparedRow {
  std::string id, category;
  bool model = false;
  double baseMs = 0, newMs = 0;
  double changePercent = 0;  ///< of time, or of time x ceiling where both records carry ceilings
  Verdict verdict = Verdict::Unchanged;
  std::optional<double> baseGflops, newGflops;  ///< of all calls of the scope
  std::optional<double> target;                 ///< GFLOPS as the recorded report counts them: one call's work over the scope
  std::optional<double> baseTargetGflops, newTargetGflops;
  bool missesTarget() const { return target && newTargetGflops && *newTargetGflops < *target; }
};

struct ComparedTotal {
  std::string name, unit;
  std::optional<double> base, fresh;
};

struct ComparedModel {
  std::string id;
  const RecordModel* base = nullptr;
  const RecordModel* fresh = nullptr;
};

/// Everything the report prints; pointers reach into the two records, which must outlive it.
struct RecordComparison {
  const RecordColumn* base = nullptr;
  const RecordColumn* fresh = nullptr;
  bool sameMachine = true;
  bool byCeiling = false;  ///< changes are of time x ceiling
  std::vector<ComparedTotal> totals;
  std::vector<ComparedModel> models;
  std::vector<ComparedRow> rows;  ///< rows, then models, in the file's order
  std::vector<std::string> onlyBase, onlyNew;
};

/// Rows are matched by id. "Unchanged" is a change inside the recorded noise (at least 1 %), or 5 % where none is recorded;
/// critical from +80 %.
RecordComparison compareRecords(const RecordColumn& base, const RecordColumn& fresh);

/// The report, in plain text or Markdown.
std::string text(const RecordComparison& comparison, bool markdown);

/// About ten lines of plain text: rows faster, the same and slower, the best and the worst with base's time over new's, models.
std::string summary(const RecordComparison& comparison);

}  // namespace quern
