// tools/quern/commands/Compare.cpp — `quern compare BASE NEW`: the comparison report.
#include "compiler/base/Text.h"
#include "tools/quern/commands/Command.h"
#include "tools/quern/commands/RecordColumns.h"
#include "tools/report/ReportPage.h"

#include <cmath>
#include <cstdio>
#include <fmt/format.h>

namespace quern {

static const CommandInfo kCompareInfo = {
    "compare", "BASE NEW [--fail-above PERCENT] [--format text|markdown|summary|html] [-o FILE]", "the comparison report, from two records",
    "  quern compare smallmind:baseline smallmind:current\n  quern compare smallmind:best run.toml --format markdown -o report.md\n"
    "  quern compare old.toml new.toml --fail-above 10\n"
    "  quern compare smallmind:baseline smallmind:current --format html -o comparison.html\n"};

static Result<int> runCompare(std::vector<std::string> args) {
  CommandLine line(kCompareInfo, std::move(args));
  line.common({}).value("fail-above", "PERCENT", "", "exit 1 when a row is slower by more than this");
  line.value("format", "FORMAT", "text", "text, markdown, html, or summary: ten lines")
      .value("output", "FILE", "", "where the report goes", 'o')
      .toggle("across-machines", "let --fail-above judge records of different CPUs");
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  if (line.words().size() != 2) return badCommand("compare: BASE and NEW are needed, such as smallmind:baseline smallmind:current");
  std::string format = line.get("format");
  if (format != "text" && format != "markdown" && format != "summary" && format != "html")
    return badCommand(fmt::format("compare: --format {} is not text, markdown, summary or html", escaped(format)));
  std::optional<double> limit;
  if (line.has("fail-above")) {
    limit = parseDouble(line.get("fail-above"));
    if (!limit || !std::isfinite(*limit) || *limit < 0)
      return badCommand(fmt::format("compare: --fail-above {} is not a percentage of 0 or more", escaped(line.get("fail-above"))));
  }
  auto base = readColumn("compare", line.words()[0]), fresh = readColumn("compare", line.words()[1]);
  if (!base) return base.error();
  if (!fresh) return fresh.error();
  RecordComparison comparison = compareRecords(*base, *fresh);
  if (comparison.rows.empty())
    return badInput(fmt::format("compare: {} and {} have no row in common", escaped(line.words()[0]), escaped(line.words()[1])));
  std::string report = format == "summary" ? summary(comparison)
                       : format == "html"  ? comparisonPage(comparison)
                                           : text(comparison, format == "markdown");
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
