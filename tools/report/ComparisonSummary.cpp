// tools/report/ComparisonSummary.cpp — the report in ten lines: how many rows are faster, the best and the worst, the models.
#include "compiler/base/Text.h"
#include "tools/report/Comparison.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

static double speedOf(const ComparedRow& row) { return row.baseMs / row.newMs; }

static std::string rowLine(std::string_view name, const ComparedRow& row) {
  return fmt::format("  {:<7} {:<24} {:>8.3g}x  {:.4g} -> {:.4g} ms\n", name, escaped(row.id), speedOf(row), row.baseMs, row.newMs);
}

static std::string modelLine(const RecordComparison& c, const ComparedModel& model) {
  auto rate = [](const RecordModel& of, const std::string& column) {
    auto found = of.tokensPerS.find(column);
    return found == of.tokensPerS.end() ? 0 : found->second;
  };
  double base = rate(*model.base, c.base->column), fresh = rate(*model.fresh, c.fresh->column);
  if (base <= 0 || fresh <= 0) return {};
  return fmt::format("  model   {:<24} {:>8.3g}x  {:.4g} -> {:.4g} tokens/s\n", escaped(model.id), fresh / base, base, fresh);
}

std::string summary(const RecordComparison& c) {
  auto count = [&](auto... verdicts) {
    return std::count_if(c.rows.begin(), c.rows.end(), [&](const ComparedRow& row) { return ((row.verdict == verdicts) || ...); });
  };
  std::string out = fmt::format("{} of {} rows of {} are faster, {} the same within noise, {} slower\n", count(Verdict::Improved),
                                c.rows.size() + c.onlyBase.size(), escaped(c.base->label), count(Verdict::Unchanged),
                                count(Verdict::Regressed, Verdict::Critical));
  if (!c.onlyBase.empty()) out += fmt::format("  not run: {}\n", escaped(join(c.onlyBase, " ")));
  std::vector<const ComparedRow*> rows;
  for (const ComparedRow& row : c.rows)
    if (row.baseMs > 0 && row.newMs > 0) rows.push_back(&row);
  std::sort(rows.begin(), rows.end(), [](const ComparedRow* a, const ComparedRow* b) { return speedOf(*a) > speedOf(*b); });
  if (!rows.empty()) {
    out += rowLine("best", *rows.front());
    out += rowLine("middle", *rows[rows.size() / 2]);
    out += rowLine("worst", *rows.back());
  }
  for (const ComparedModel& model : c.models) out += modelLine(c, model);
  if (!c.sameMachine) out += fmt::format("  recorded on another machine: {}\n", escaped(c.base->file.machine));
  return out;
}

}  // namespace quern
