// tools/report/ComparisonPage.cpp — two records side by side, in HTML. In text: ComparisonText.cpp.
#include "compiler/base/Text.h"
#include "tools/report/Page.h"
#include "tools/report/ReportPage.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace quern {

namespace {

constexpr double kCompareWidth = 380, kCompareFrom = 36, kCompareTo = 316, kCompareRow = 48, kCompareFoot = 24;
constexpr size_t kIdLetters = 30;

std::string_view verdictLooks(Verdict verdict) {
  constexpr std::string_view kLooks[] = {"good", "same", "bad", "worst"};
  return kLooks[static_cast<size_t>(verdict)];
}

std::string changeText(double percent) { return std::isfinite(percent) ? fmt::format("{:+.1f} %", percent == 0 ? 0.0 : percent) : "-"; }

std::string changeOf(std::optional<double> base, std::optional<double> fresh) {
  return base && fresh && *base > 0 ? changeText(100 * (*fresh / *base - 1)) : "-";
}

std::string figureText(std::optional<double> value) { return value ? fmt::format("{:.6g}", *value) : "-"; }

std::string msText(double ms) { return humanTime(ms * 1e6); }

/// Over all rows, so that pictures of several categories agree.
Axis timeAxis(const RecordComparison& comparison) {
  constexpr double kLeast = 1e-6;  // a nanosecond
  double low = 1e12, high = kLeast;
  for (const ComparedRow& row : comparison.rows)
    for (double ms : {row.baseMs, row.newMs})
      if (ms > kLeast && std::isfinite(ms)) low = std::min(low, ms), high = std::max(high, ms);
  // A bar as long as the logarithm: the shortest still has a length.
  return Axis::logarithmic(std::min(low, high) / 3, high * 1.05, kCompareFrom, kCompareTo);
}

std::string totalsHtml(const RecordComparison& c) {
  HtmlTable table("lrrr", {"total", "base", "new", "change"});
  for (const ComparedTotal& t : c.totals)
    table.add({t.name, figureText(t.base) + " " + t.unit, figureText(t.fresh) + " " + t.unit, changeOf(t.base, t.fresh)});
  return "<h3>Totals</h3>\n" + table.html();
}

std::string modelsHtml(const RecordComparison& c) {
  if (c.models.empty()) return "";
  HtmlTable table("llrrr", {"model", "", "base", "new", "change"});
  for (const ComparedModel& m : c.models) {
    auto row = [&](const std::string& name, const Columns RecordModel::* which) {
      auto of = [](const Columns& columns, const std::string& column) {
        auto found = columns.find(column);
        return found == columns.end() ? std::nullopt : std::optional<double>(found->second);
      };
      auto base = of(m.base->*which, c.base->column), fresh = of(m.fresh->*which, c.fresh->column);
      if (base || fresh) table.add({m.id, name, figureText(base), figureText(fresh), changeOf(base, fresh)});
    };
    row("ms", &RecordModel::ms);
    row("tokens/s", &RecordModel::tokensPerS);
    row("MiB/token", &RecordModel::allocatedMibPerToken);
  }
  return "<h3>Models</h3>\n" + table.html();
}

std::string rowsHtml(const RecordComparison& c) {
  HtmlTable table("lrrrlrr", {"row", "base ms", "new ms", "change", "verdict", "GFLOPS", "target"});
  for (const ComparedRow& row : c.rows)
    table.add({row.id, figureText(row.baseMs), figureText(row.newMs), changeText(row.changePercent), std::string(text(row.verdict)),
               row.baseGflops && row.newGflops ? fmt::format("{:.4g} to {:.4g}", *row.baseGflops, *row.newGflops) : "-",
               row.target ? fmt::format("{:.4g} {}", *row.target, row.missesTarget() ? "missed" : "met") : "-"});
  return "<h3>Every row</h3>\n" + table.html();
}

}  // namespace

Svg comparisonBars(const RecordComparison& comparison, const std::string& category) {
  std::vector<const ComparedRow*> rows;
  for (const ComparedRow& row : comparison.rows)
    if (category.empty() || row.category == category) rows.push_back(&row);
  double bottom = kCompareRow * static_cast<double>(rows.size());
  Svg svg(kCompareWidth, bottom + kCompareFoot, "time of each row in both records, as bars");
  Axis axis = timeAxis(comparison);
  for (double tick : axis.ticks(5)) {
    svg.line(axis.at(tick), 0, axis.at(tick), bottom, "grid");
    svg.text(axis.at(tick), bottom + 16, msText(tick), "soft small", Anchor::Middle);
  }
  double top = 0;
  for (const ComparedRow* row : rows) {
    std::string_view looks = verdictLooks(row->verdict);
    std::string change = changeText(row->changePercent), verdict(text(row->verdict));
    svg.text(0, top + 14, cutTo(row->id, kIdLetters), "strong");
    svg.text(kCompareWidth - 2, top + 14, change + " " + verdict, looks, Anchor::End);
    auto bar = [&](double y, const char* name, double ms, std::string_view bars) {
      svg.text(kCompareFrom - 6, y + 9, name, "soft small", Anchor::End);
      svg.rect(kCompareFrom, y, std::max(1.0, axis.at(ms) - kCompareFrom), 10, bars, fmt::format("{}, {}: {}", row->id, name, msText(ms)));
      svg.text(kCompareWidth - 2, y + 9, msText(ms), "soft small", Anchor::End);
    };
    bar(top + 19, "base", row->baseMs, "default");
    bar(top + 31, "new", row->newMs, looks);
    top += kCompareRow;
  }
  return svg;
}

std::string comparisonHtml(const RecordComparison& c) {
  auto said = [](std::string_view text) { return fmt::format("<p class=\"soft\">{}</p>\n", htmlText(text)); };
  std::string out =
      said(fmt::format("Base: {} ({}). New: {} ({}).", c.base->file.name, c.base->file.machine, c.fresh->file.name, c.fresh->file.machine));
  if (!c.sameMachine) out += said("The two were measured on different machines: the chart stands, a verdict between them does not.");
  if (c.byCeiling) out += said("Both carry ceilings: changes and verdicts are of time x ceiling, the times beside are raw.");
  out += totalsHtml(c) + modelsHtml(c);
  out +=
      "<h3>Rows</h3>\n<div class=\"key\"><span><i></i>base</span><span><i class=\"good\"></i>improved</span><span><i "
      "class=\"same\"></i>unchanged</span><span><i class=\"bad\"></i>regressed</span><span><i class=\"worst\"></i>critical</span></div>\n";
  out += said("Bars are as long as the logarithm of the time.");
  std::vector<std::string> categories;
  for (const ComparedRow& row : c.rows)
    if (std::find(categories.begin(), categories.end(), row.category) == categories.end()) categories.push_back(row.category);
  out += "<div class=\"cards\">\n";
  for (const std::string& category : categories)
    out += fmt::format("<div class=\"card\"><h3>{}</h3>\n{}</div>\n", htmlText(category), comparisonBars(c, category).inPage());
  out += "</div>\n" + rowsHtml(c);
  for (const std::string& id : c.onlyBase) out += said(id + ": in the base only");
  for (const std::string& id : c.onlyNew) out += said(id + ": in the new one only");
  return out;
}

std::string comparisonPage(const RecordComparison& comparison) {
  std::string title = fmt::format("{} against {}", comparison.fresh->label, comparison.base->label);
  return htmlPage(title, fmt::format("<h1>{}</h1>\n{}", htmlText(title), comparisonHtml(comparison)));
}

}  // namespace quern
