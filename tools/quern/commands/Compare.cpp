// tools/quern/commands/Compare.cpp — `quern compare BASE NEW`: the comparison report.
#include "tools/report/Comparison.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "tools/quern/commands/Command.h"

#include <cmath>
#include <cstdio>
#include <fmt/format.h>
#include <set>

namespace quern {

static const CommandInfo kCompareInfo = {
    "compare", "BASE NEW [--fail-above PERCENT] [--format text|markdown|summary] [-o FILE]", "the comparison report, from two records",
    "  quern compare smallmind:baseline smallmind:current\n  quern compare smallmind:best run.toml --format markdown -o report.md\n"
    "  quern compare old.toml new.toml --fail-above 10\n"};

/// FILE, FILE:COLUMN or NAME:COLUMN. A bare file means its own run.
static Result<RecordColumn> readColumn(const std::string& given) {
  size_t colon = given.rfind(':');
  bool hasColumn = colon != std::string::npos && given.find('/', colon) == std::string::npos;
  std::string file = hasColumn ? given.substr(0, colon) : given;
  auto path = findConfig("baselines", file);
  if (!path) return path.error();
  auto record = readRecordFile(*path);
  if (!record) return record.error();
  std::set<std::string> columns;
  for (const RecordRow& row : record->rows)
    for (const auto& [column, value] : row.ms) columns.insert(column);
  for (const RecordModel& model : record->models)
    for (const auto& [column, value] : model.ms) columns.insert(column);
  std::vector<std::string> known(columns.begin(), columns.end());
  RecordColumn out{std::move(*record), hasColumn ? given.substr(colon + 1) : "", given};
  if (!hasColumn) out.column = out.file.ownColumn;
  if (out.column.empty())
    return badCommand(fmt::format("compare: {} has several columns: say which, as {}:{}; columns: {}", escaped(given), escaped(given),
                                  known.empty() ? "COLUMN" : known[0], join(known, " ")));
  if (columns.count(out.column) == 0)
    return badCommand(fmt::format("compare: {} has no column '{}'{}; columns: {}", escaped(file), escaped(out.column),
                                  didYouMean(out.column, known), join(known, " ")));
  return out;
}

static Result<int> runCompare(std::vector<std::string> args) {
  CommandLine line(kCompareInfo, std::move(args));
  line.common({}).value("fail-above", "PERCENT", "", "exit 1 when a row is slower by more than this");
  line.value("format", "FORMAT", "text", "text, markdown, or summary: ten lines")
      .value("output", "FILE", "", "where the report goes", 'o')
      .toggle("across-machines", "let --fail-above judge records of different CPUs");
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  if (line.words().size() != 2) return badCommand("compare: BASE and NEW are needed, such as smallmind:baseline smallmind:current");
  std::string format = line.get("format");
  if (format != "text" && format != "markdown" && format != "summary")
    return badCommand(fmt::format("compare: --format {} is not text, markdown or summary", escaped(format)));
  std::optional<double> limit;
  if (line.has("fail-above")) {
    limit = parseDouble(line.get("fail-above"));
    if (!limit || !std::isfinite(*limit) || *limit < 0)
      return badCommand(fmt::format("compare: --fail-above {} is not a percentage of 0 or more", escaped(line.get("fail-above"))));
  }
  auto base = readColumn(line.words()[0]), fresh = readColumn(line.words()[1]);
  if (!base) return base.error();
  if (!fresh) return fresh.error();
  RecordComparison comparison = compareRecords(*base, *fresh);
  if (comparison.rows.empty())
    return badInput(fmt::format("compare: {} and {} have no row in common", escaped(line.words()[0]), escaped(line.words()[1])));
  std::string report = format == "summary" ? summary(comparison) : text(comparison, format == "markdown");
  if (auto good = writeResult(report, line.get("output")); !good) return good.error();
  if (!limit) return 0;
  if (!comparison.sameMachine && !line.has("across-machines"))
    return badCommand("compare: --fail-above does not judge records of different machines; --across-machines lets it");
  bool failed = false;
  for (const ComparedRow& row : comparison.rows) {
    bool regressed = row.verdict == Verdict::Regressed || row.verdict == Verdict::Critical;
    if (!regressed || row.changePercent <= *limit) continue;
    std::fprintf(stderr, "quern: %s is slower by %.1f %%, more than %g %%\n", row.id.c_str(), row.changePercent, *limit);
    failed = true;
  }
  return failed ? 1 : 0;
}

Command compareCommand() { return {kCompareInfo, runCompare}; }

}  // namespace quern
