// tools/report/ComparisonText.cpp — the report: totals, models, ops with bars, memory, changes, trends, action items.
#include "compiler/base/Text.h"
#include "tools/report/Comparison.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace quern {

namespace {

std::string percent(double change) { return fmt::format("{:+.1f} %", change == 0 ? 0.0 : change); }

std::string change(std::optional<double> base, std::optional<double> fresh) {
  return base && fresh && *base > 0 ? percent(100 * (*fresh / *base - 1)) : "-";
}

std::string number(std::optional<double> value) { return value ? fmt::format("{:.6g}", *value) : "-"; }

std::optional<double> at(const Columns& columns, const std::string& column) {
  auto found = columns.find(column);
  return found == columns.end() ? std::nullopt : std::optional<double>(found->second);
}

std::string bar(double value, double largest) {
  constexpr double kWidth = 40;
  // Rows span five decades: a bar is as long as the logarithm of its time above a microsecond.
  double scale = std::log10(std::max(1e-3, largest) * 1e3 + 1);
  auto cells = static_cast<size_t>(std::lround(kWidth * std::log10(std::max(0.0, value) * 1e3 + 1) / scale));
  return std::string(std::max<size_t>(1, cells), '#');
}

/// Cells of one table in plain text or Markdown.
class Table {
public:
  Table(std::vector<std::string> head, bool markdown) : rows_{std::move(head)}, markdown_(markdown) {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  std::string text() const {
    std::vector<size_t> widths(rows_[0].size());
    for (const auto& row : rows_)
      for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    std::string out;
    for (const auto& row : rows_) {
      std::string line = markdown_ ? "|" : "";
      for (size_t i = 0; i < row.size(); ++i)
        line += markdown_ ? fmt::format(" {} |", row[i])
                : i == 0  ? fmt::format("  {:<{}}", row[i], widths[i])
                          : fmt::format("  {:>{}}", row[i], widths[i]);
      out += line + "\n";
      if (markdown_ && &row == &rows_[0]) {
        out += "|";
        for (size_t i = 0; i < row.size(); ++i) out += i == 0 ? " --- |" : " ---: |";
        out += "\n";
      }
    }
    return out;
  }

private:
  std::vector<std::vector<std::string>> rows_;
  bool markdown_;
};

class Report {
public:
  Report(const RecordComparison& comparison, bool markdown) : c_(comparison), markdown_(markdown) {}

  std::string run() {
    out_ = markdown_ ? fmt::format("# {} against {}\n", c_.fresh->label, c_.base->label)
                     : fmt::format("{} against {}\n", c_.fresh->label, c_.base->label);
    out_ += fmt::format("\nbase: {} ({})\nnew:  {} ({})\n", c_.base->file.name, c_.base->file.machine, c_.fresh->file.name,
                        c_.fresh->file.machine);
    if (!c_.sameMachine) out_ += "The two were measured on different machines: the chart stands, a verdict between them does not.\n";
    if (c_.byCeiling) out_ += "Both carry ceilings: changes and verdicts are of time x ceiling, the ms beside are raw.\n";
    totals();
    models();
    ops();
    memory();
    changes();
    trends();
    actions();
    return out_;
  }

private:
  void heading(std::string_view title) { out_ += markdown_ ? fmt::format("\n## {}\n\n", title) : fmt::format("\n{}\n", title); }
  void line(const std::string& text) { out_ += markdown_ ? fmt::format("- {}\n", text) : fmt::format("  {}\n", text); }

  void totals() {
    heading("Totals");
    Table table({"total", "base", "new", "change"}, markdown_);
    for (const ComparedTotal& t : c_.totals)
      table.add({t.name, number(t.base) + " " + t.unit, number(t.fresh) + " " + t.unit, change(t.base, t.fresh)});
    out_ += table.text();
  }

  void models() {
    heading("Models");
    Table table({"model", "", "base", "new", "change"}, markdown_);
    for (const ComparedModel& m : c_.models) {
      auto row = [&](const std::string& name, std::optional<double> a, std::optional<double> b) {
        table.add({m.id, name, number(a), number(b), change(a, b)});
      };
      auto base = [&](const Columns RecordModel::* which) { return at(m.base->*which, c_.base->column); };
      auto fresh = [&](const Columns RecordModel::* which) { return at(m.fresh->*which, c_.fresh->column); };
      auto perToken = [](std::optional<double> ms, int64_t steps) {
        return ms ? std::optional<double>(*ms / static_cast<double>(steps)) : std::nullopt;
      };
      row("ms", base(&RecordModel::ms), fresh(&RecordModel::ms));
      row("tokens/s", base(&RecordModel::tokensPerS), fresh(&RecordModel::tokensPerS));
      row("ms/token", perToken(base(&RecordModel::ms), m.base->steps), perToken(fresh(&RecordModel::ms), m.fresh->steps));
      row("MiB/token", base(&RecordModel::allocatedMibPerToken), fresh(&RecordModel::allocatedMibPerToken));
    }
    out_ += table.text();
  }

  void ops() {
    heading("Operations");
    double largest = 0;
    for (const ComparedRow& row : c_.rows) largest = std::max({largest, row.baseMs, row.newMs});
    for (const ComparedRow& row : c_.rows) {
      std::string rates = row.baseGflops ? fmt::format("  GFLOPS {:.4g} -> {:.4g}", *row.baseGflops, *row.newGflops) : "";
      std::string target = row.target ? fmt::format("  target {:.4g} {} ({:.4g}, counted as recorded: one call's work over the scope)",
                                                    *row.target, row.missesTarget() ? "missed" : "met", *row.newTargetGflops)
                                      : "";
      std::string text = fmt::format("{:<24} {:>9}  {}{}{}", row.id, percent(row.changePercent), quern::text(row.verdict), rates, target);
      std::string bars = fmt::format("    base {:>10} ms {}\n    new  {:>10} ms {}\n", number(row.baseMs), bar(row.baseMs, largest),
                                     number(row.newMs), bar(row.newMs, largest));
      out_ += markdown_ ? fmt::format("```\n{}\n{}```\n", text, bars) : fmt::format("  {}\n{}", text, bars);
    }
    out_ += "  bars: logarithm of the time\n";
    for (const std::string& id : c_.onlyBase) line(fmt::format("{}: in the base only", id));
    for (const std::string& id : c_.onlyNew) line(fmt::format("{}: in the new one only", id));
  }

  void memory() {
    heading("Memory");
    Table table({"what", "base", "new", "change"}, markdown_);
    for (const ComparedTotal& t : c_.totals)
      if (t.unit == "MiB") table.add({t.name, number(t.base) + " MiB", number(t.fresh) + " MiB", change(t.base, t.fresh)});
    auto reduction = [](const RecordRow& row, const std::string& column) -> std::string {
      auto allocated = at(row.allocatedMib, column);
      if (!allocated || !row.unpooledMib) return "-";
      return fmt::format("{:.4g} MiB, {:.1f} % less than {:.4g} unshared", *allocated, 100 * (1 - *allocated / *row.unpooledMib),
                         *row.unpooledMib);
    };
    for (const RecordRow& row : c_.base->file.rows)
      for (const RecordRow& other : c_.fresh->file.rows)
        if (row.id == other.id && row.unpooledMib)
          table.add({row.id + " allocated", reduction(row, c_.base->column), reduction(other, c_.fresh->column),
                     change(at(row.allocatedMib, c_.base->column), at(other.allocatedMib, c_.fresh->column))});
    for (const ComparedModel& m : c_.models) {
      auto arena = [](const RecordModel& model) -> std::string {
        if (!model.arenaBytes || !model.unsharedBytes) return "-";
        return fmt::format("{} of {} if nothing were shared, {:.1f} % less", humanBytes(*model.arenaBytes),
                           humanBytes(*model.unsharedBytes), 100 * (1 - *model.arenaBytes / *model.unsharedBytes));
      };
      table.add({m.id + " arena", arena(*m.base), arena(*m.fresh), change(m.base->arenaBytes, m.fresh->arenaBytes)});
    }
    out_ += table.text();
  }

  std::vector<const ComparedRow*> sorted(bool improved) const {
    std::vector<const ComparedRow*> list;
    for (const ComparedRow& row : c_.rows) {
      bool better = row.verdict == Verdict::Improved, worse = row.verdict == Verdict::Regressed || row.verdict == Verdict::Critical;
      if (improved ? better : worse) list.push_back(&row);
    }
    std::stable_sort(list.begin(), list.end(), [&](const ComparedRow* a, const ComparedRow* b) {
      return improved ? a->changePercent < b->changePercent : a->changePercent > b->changePercent;
    });
    return list;
  }

  void changes() {
    for (bool improved : {true, false}) {
      heading(improved ? "Improvements" : "Regressions");
      std::vector<const ComparedRow*> list = sorted(improved);
      if (list.empty()) line("none");
      for (const ComparedRow* row : list)
        line(fmt::format("{:<24} {:>9}  {:.6g} -> {:.6g} ms  {}", row->id, percent(row->changePercent), row->baseMs, row->newMs,
                         text(row->verdict)));
    }
  }

  void trends() {
    heading("Trends");
    std::vector<std::string> categories;
    for (const ComparedRow& row : c_.rows)
      if (std::find(categories.begin(), categories.end(), row.category) == categories.end()) categories.push_back(row.category);
    for (const std::string& category : categories) {
      std::vector<double> worse, better;
      size_t all = 0;
      for (const ComparedRow& row : c_.rows) {
        if (row.category != category) continue;
        ++all;
        if (row.verdict == Verdict::Regressed || row.verdict == Verdict::Critical) worse.push_back(row.changePercent);
        if (row.verdict == Verdict::Improved) better.push_back(row.changePercent);
      }
      auto range = [&](std::vector<double>& changes) {
        std::sort(changes.begin(), changes.end(), [](double a, double b) { return std::fabs(a) < std::fabs(b); });
        std::string span = changes.size() == 1 ? fmt::format("{:+.0f} %", changes[0])
                                               : fmt::format("{:+.0f} to {:+.0f} %", changes.front(), changes.back());
        return fmt::format("{}, {} of {} row{}", span, changes.size(), all, all == 1 ? "" : "s");
      };
      std::vector<std::string> parts;
      if (!worse.empty()) parts.push_back(range(worse));
      if (!better.empty()) parts.push_back(range(better));
      if (parts.empty()) parts.push_back(fmt::format("unchanged, {} row{}", all, all == 1 ? "" : "s"));
      line(fmt::format("{}: {}", category, join(parts, "; ")));
    }
  }

  void actions() {
    heading("Action items");
    std::vector<std::string> first, second, third;
    for (const ComparedRow* row : sorted(false)) (row->changePercent >= 100 ? first : second).push_back(row->id);
    for (const ComparedRow& row : c_.rows)
      if (row.missesTarget()) third.push_back(row.id);
    auto item = [&](std::string_view name, std::string_view why, const std::vector<std::string>& ids) {
      if (ids.empty()) return;
      line(fmt::format("{} {}: {}", name, why, join(ids, ", ")));
      for (const std::string& id : ids) line(fmt::format("   look further: {}", lookFurther(id)));
    };
    item("P0", "slower by 100 % or more", first);
    item("P1", "slower", second);
    item("P2", "misses its target", third);
    if (first.empty() && second.empty() && third.empty()) line("none");
  }

  std::string lookFurther(const std::string& id) const {
    for (const RecordRow& row : c_.base->file.rows)
      if (row.id == id && !row.op.empty()) return fmt::format("quern bench {}", row.op);
    for (const ComparedModel& model : c_.models)
      if (model.id == id) return fmt::format("quern bench --model {}", id);
    return "quern bench --baseline " + c_.base->label.substr(0, c_.base->label.rfind(':'));
  }

  const RecordComparison& c_;
  bool markdown_;
  std::string out_;
};

}  // namespace

std::string text(const RecordComparison& comparison, bool markdown) { return Report(comparison, markdown).run(); }

}  // namespace quern
