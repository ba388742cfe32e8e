// tools/report/ReportPage.cpp — the sections of the report. See ReportPage.h.
#include "tools/report/ReportPage.h"

#include "compiler/base/Text.h"
#include "tools/report/Page.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

namespace {

constexpr size_t kShownCandidates = 16;

std::string paragraph(std::string_view text, std::string_view looks = "") {
  return looks.empty() ? fmt::format("<p>{}</p>\n", htmlText(text)) : fmt::format("<p class=\"{}\">{}</p>\n", looks, htmlText(text));
}

std::string heading(std::string_view text) { return fmt::format("<h2>{}</h2>\n", htmlText(text)); }

std::string figureHtml(std::string_view figure, std::string_view what) {
  return fmt::format("<div><b>{}</b><span>{}</span></div>\n", htmlText(figure), htmlText(what));
}

/// "1.32x (1.29 to 1.35)"
std::string speedText(const Interval& ratio) {
  if (!(ratio.middle > 0)) return "-";
  std::string out = fmt::format("{:.2f}x", 1 / ratio.middle);
  return ratio.known() && ratio.high > ratio.low ? out + fmt::format(" ({:.2f} to {:.2f})", 1 / ratio.high, 1 / ratio.low) : out;
}

std::string orDash(double value, const char* unit) { return value > 0 ? fmt::format("{:.4g}{}", value, unit) : "-"; }

class ReportBody {
public:
  explicit ReportBody(const ReportFacts& facts) : f_(facts) {}

  std::string run() {
    out_ = "<h1>Quern: the kernels of this CPU</h1>\n";
    out_ += paragraph(
        fmt::format("{}{}. Written {}.", f_.machine.cpu, f_.machine.model.empty() ? "" : " (" + f_.machine.model + ")", f_.date), "soft");
    for (const std::string& remark : f_.remarks) out_ += paragraph(remark);
    if (f_.ops.empty()) nothing();
    else summary();
    machine();
    if (!f_.ops.empty()) overview(), calls(), rowTables(), spearman(), details();
    if (f_.comparison != nullptr) {
      out_ += heading(fmt::format("{} against {}", f_.comparison->fresh->label, f_.comparison->base->label));
      out_ += comparisonHtml(*f_.comparison);
    }
    return out_;
  }

private:
  void nothing() {
    out_ += heading("Nothing is tuned here yet");
    out_ += paragraph(
        "There is no tuning record of this CPU in the cache. This tunes some ops, Ctrl-C keeps what is done; then write the report again:");
    out_ += fmt::format("<pre>{}</pre>\n", htmlText(f_.tuneHint));
  }

  void summary() {
    size_t faster = 0;
    double logs = 0, most = 1;
    for (const OpFacts& op : f_.ops) {
      bool gained = op.ratio.middle > 0 && op.ratio.middle < 1;
      faster += gained, logs += gained ? std::log(op.speed()) : 0, most = std::max(most, gained ? op.speed() : 1);
    }
    out_ += "<div class=\"figures\">\n" + figureHtml(std::to_string(f_.ops.size()), f_.ops.size() == 1 ? "op tuned" : "ops tuned");
    out_ += figureHtml(std::to_string(faster), "faster than by default");
    if (faster > 0) {
      out_ += figureHtml(fmt::format("{:.2f}x", std::exp(logs / static_cast<double>(faster))), "these in the geometric mean");
      out_ += figureHtml(fmt::format("{:.2f}x", most), "the most");
    }
    out_ += figureHtml(std::to_string(f_.ops.size() - faster), "at the default") + "</div>\n";
  }

  void machine() {
    out_ += heading("The machine");
    const MachineFacts& m = f_.machine;
    out_ += paragraph(fmt::format("Level {}. Features: {}.", m.level, m.features), "soft");
    if (!m.measured()) {
      out_ += paragraph("Its ceilings are not known: " + m.unmeasured + ".");
    } else {
      HtmlTable table("lrrr", {"level", "size", "read GB/s", "copy GB/s"});
      for (const MemoryLevel& level : m.levels)
        table.add({level.name, level.bytes > 0 ? humanBytes(level.bytes) : "-", orDash(level.readGBs, ""), orDash(level.copyGBs, "")});
      out_ +=
          paragraph(fmt::format("One thread's ceilings, measured for this page: {:.4g} GFLOP/s of f32 multiply-adds, and", m.fmaGflops));
      out_ += table.html();
    }
    if (std::none_of(f_.ops.begin(), f_.ops.end(), onRoofline) && !m.measured()) return;
    out_ += "<h3>Roofline</h3>\n<div class=\"roofline\">" + rooflinePicture(m, f_.ops).inPage() + "</div>\n";
    if (f_.ops.empty()) return;
    out_ += "<div class=\"key\"><span><i class=\"tuned\"></i>what runs</span><span><i></i>its default</span></div>\n";
    out_ += paragraph(
        "Numbers are those of the table below. Bytes are those that must move at least once: what fits a cache comes from "
        "there, so a small op stands above the line of memory. Ops that write as much as they read are held against the copy "
        "ceiling. Ops without arithmetic are in the table only.",
        "soft");
  }

  void overview() {
    out_ += heading("Every op");
    HtmlTable table("rcrrrrr", {"", "op", "one call", "speed vs default", "rate", "of ceiling", "Spearman"});
    for (size_t i = 0; i < f_.ops.size(); ++i) {
      const OpFacts& op = f_.ops[i];
      table.add({std::to_string(i + 1), op.op + (op.at.empty() ? "" : " (at " + op.at + ")"), op.ns() > 0 ? humanTime(op.ns()) : "-",
                 speedText(op.ratio), op.rate(), op.leastNs > 0 ? fmt::format("{:.0f} %", op.ceilingPercent()) : "-",
                 orderOf(op.order.fitted)});
    }
    out_ += table.html();
  }

  void calls() {
    out_ += heading("Time of one call");
    out_ +=
        "<div class=\"key\"><span><i></i>default</span><span><i class=\"tuned\"></i>tuned</span>"
        "<span><i class=\"tried\"></i>the best that was tried where the default stands</span>"
        "<span><i class=\"peer\"></i>other libraries</span></div>\n";
    out_ += paragraph(
        "Lines at the ends of bars are 95 % intervals of the ratio to the first bar of their group, block by block; "
        "the figure behind a time is its speed beside that bar.",
        "soft");
    out_ += "<div class=\"cards\">\n";
    for (size_t i = 0; i < f_.ops.size(); ++i) {
      const OpFacts& op = f_.ops[i];
      out_ += fmt::format("<div class=\"card\"><h3>{}. <code>{}</code></h3>\n", i + 1, htmlText(op.op));
      if (!op.at.empty()) out_ += paragraph("at " + op.at, "soft");
      if (op.lowConfidence) out_ += paragraph("low confidence: the machine was not quiet", "soft");
      if (op.calls.empty()) out_ += paragraph("no time is known", "soft");
      for (const CallGroup& group : op.calls) {
        if (!group.note.empty()) out_ += paragraph(group.note, "soft");
        out_ += callBars(group).inPage();
      }
      out_ += "</div>\n";
    }
    out_ += "</div>\n";
  }

  void rowTables() {
    if (std::all_of(f_.ops.begin(), f_.ops.end(), [](const OpFacts& op) { return op.rows.empty(); })) return;
    out_ += heading("Small calls");
    out_ += paragraph(
        "Weights and caches that meet calls of any size have kernels of their own for small ones: all read the same packed copy.", "soft");
    for (const OpFacts& op : f_.ops) {
      if (op.rows.empty()) continue;
      out_ += fmt::format("<h3><code>{}</code></h3>\n", htmlText(op.op));
      HtmlTable table("rrrc", {"calls up to", "speed vs the default there", "vs the main schedule there", "schedule"});
      auto times = [](double ratio) { return ratio > 0 ? fmt::format("{:.2f}x", ratio) : std::string("-"); };
      for (const RowFacts& row : op.rows) table.add({row.rows, times(row.speed), times(row.regret), row.schedule});
      table.add({"all others", "", "1.00x", op.schedule});
      out_ += table.html();
    }
  }

  static std::string orderOf(double spearman) { return std::isnan(spearman) ? "-" : fmt::format("{:.2f}", spearman); }

  void spearman() {
    out_ += heading("How well schedules are put in order before they are timed");
    OrderSummary fitted = summaryOf(f_.ops, &OrderFacts::fitted);
    if (fitted.ops == 0) {
      out_ += paragraph("No op has three schedules that were timed: there is no order to hold against the predicted one.");
      return;
    }
    OrderSummary others = summaryOf(f_.ops, &OrderFacts::others), costs = summaryOf(f_.ops, &OrderFacts::costs),
                 repeat = summaryOf(f_.ops, &OrderFacts::repeat);
    out_ += "<div class=\"figures\">\n" + figureHtml(fmt::format("{:.2f}", fitted.median), "median over " + counted(fitted.ops, "op"));
    out_ += figureHtml(fmt::format("{:.2f}", fitted.worst), "worst: " + fitted.worstOp) + "</div>\n";
    out_ += paragraph(
        "Spearman's rank correlation of predicted cost and measured time over all schedules that were timed: 1 is the same order, 0 none. "
        "Fitted: each schedule's cost is fitted to what all others took here. Others: to what other ops took alone, as if this one had "
        "never "
        "been timed. Costs: as the cost model says by itself. Repeat: with times that are measured again, from two halves of what was "
        "measured; "
        "no prediction agrees better than these do.",
        "soft");
    HtmlTable table("crrrrr", {"op", "schedules", "fitted", "others", "costs", "repeat"});
    for (const OpFacts& op : f_.ops)
      if (op.order.schedules > 0)
        table.add({op.op, std::to_string(op.order.schedules), orderOf(op.order.fitted), orderOf(op.order.others), orderOf(op.order.costs),
                   orderOf(op.order.repeat)});
    table.add({"median", "", orderOf(fitted.median), orderOf(others.median), orderOf(costs.median), orderOf(repeat.median)});
    table.add({"worst", "", orderOf(fitted.worst), orderOf(others.worst), orderOf(costs.worst), orderOf(repeat.worst)});
    out_ += table.html();
  }

  void details() {
    out_ += heading("Why these schedules");
    for (size_t i = 0; i < f_.ops.size(); ++i) {
      const OpFacts& op = f_.ops[i];
      out_ += fmt::format("<details>\n<summary>{}. <code>{}</code></summary>\n", i + 1, htmlText(op.op));
      out_ += fmt::format("<p><code>{}</code> ({}{})</p>\n", htmlText(op.schedule), htmlText(op.from),
                          op.date.empty() ? "" : htmlText("; last " + op.date));
      if (!op.runnerUp.empty())
        out_ += fmt::format("<p>Runner-up, {}: <code>{}</code></p>\n", htmlText(op.runnerUpAs), htmlText(op.runnerUp));
      out_ += paragraph(fmt::format("Bound: {}. Predicted: {}.", op.bound, op.cost), "soft");
      out_ += "<div class=\"pair\">\n" + cloud(op) + "<div>\n" + counts(op) + "</div>\n</div>\n" + candidates(op) + "</details>\n";
    }
  }

  static std::string cloud(const OpFacts& op) {
    bool timed = std::any_of(op.candidates.begin(), op.candidates.end(), [](const CandidateFacts& c) { return c.ratio.middle > 0; });
    if (!timed) return paragraph("No schedule of it was timed here with this version of the code generator.", "soft");
    std::string order = std::isnan(op.order.fitted) ? "" : fmt::format("; they agree in order by {:.2f} (Spearman)", op.order.fitted);
    return "<div class=\"cloud\">" + candidateCloud(op).inPage() +
           "<div class=\"key\"><span><i class=\"tuned\"></i>what runs</span><span><i></i>others; hollow: the default</span></div>\n" +
           paragraph("Predicted against measured" + order + ". On the dashed line both say the same.", "soft") + "</div>\n";
  }

  static std::string counts(const OpFacts& op) {
    HtmlTable table("lr", {"schedules", "how many"});
    table.add({"space", op.space});
    table.add({"pruned", op.pruned});
    for (const auto& [rule, count] : op.prunedBy) table.add({"- " + rule, count});
    table.add({"failed", op.failed});
    for (const auto& [reason, count] : op.failedBy) table.add({"- " + reason, count});
    table.add({"measured", op.measured});
    table.add({"untried", op.untried});
    return table.html();
  }

  static std::string candidates(const OpFacts& op) {
    if (op.candidates.empty()) return "";
    HtmlTable table("crrrl", {"schedule", "predicted", "measured", "95 % interval", "outcome"});
    for (size_t i = 0; i < op.candidates.size() && i < kShownCandidates; ++i) {
      const CandidateFacts& c = op.candidates[i];
      bool timed = c.ratio.middle > 0;
      table.add({c.schedule, fmt::format("{:.3f}", c.predicted), timed ? fmt::format("{:.3f}", c.ratio.middle) : "-",
                 timed ? fmt::format("{:.3f} to {:.3f}", c.ratio.low, c.ratio.high) : "-", c.outcome + (c.runs ? " (runs)" : "")});
    }
    size_t more = op.candidates.size() - std::min(op.candidates.size(), kShownCandidates);
    return table.html() + (more > 0 ? paragraph(fmt::format("and {} more: quern explain '{}' --json -", more, op.op), "soft") : "");
  }

  const ReportFacts& f_;
  std::string out_;
};

}  // namespace

std::string reportPage(const ReportFacts& facts) { return htmlPage("Quern: " + facts.machine.cpu, ReportBody(facts).run()); }

}  // namespace quern
