// tools/report/Page.cpp — see Page.h.
#include "tools/report/Page.h"

#include "compiler/base/Check.h"
#include "tools/report/Svg.h"

#include <fmt/format.h>

namespace quern {

static constexpr std::string_view kColours =
    ":root{color-scheme:light dark;--ground:#ffffff;--ink:#1b2330;--soft:#566172;--rule:#d4dae2;--panel:#f4f6f9;"
    "--default:#8b95a4;--tuned:#1769aa;--peer:#b8620a;--good:#1a7f4b;--bad:#c2410c;--worst:#b3123f;--same:#7b8696}\n"
    "@media(prefers-color-scheme:dark){:root{--ground:#12161c;--ink:#e6eaf0;--soft:#9fabba;--rule:#323c49;--panel:#1a2028;"
    "--default:#7f8b9b;--tuned:#58adef;--peer:#f0a04b;--good:#4cc38a;--bad:#ff9466;--worst:#ff6b93;--same:#8b96a5}}\n";

static constexpr std::string_view kMarks =
    "svg text{font:12px system-ui,sans-serif;fill:var(--ink)}svg text.soft{fill:var(--soft)}svg text.small{font-size:10.5px}"
    "svg text.strong{font-weight:600}\n"
    ".ground{fill:var(--ground)}.grid{stroke:var(--rule);stroke-width:1}.axis{stroke:var(--soft);stroke-width:1}"
    ".whisker{stroke:var(--ink);stroke-width:1.3}.faint{stroke:var(--default);stroke-width:1;opacity:.6}"
    ".roof{stroke:var(--ink);stroke-width:1.8;fill:none}.slope{stroke:var(--soft);stroke-width:1.3;fill:none}"
    ".dashed{stroke:var(--soft);stroke-width:1;stroke-dasharray:4 3;fill:none}\n"
    ".default{fill:var(--default)}.tuned{fill:var(--tuned)}.tried{fill:var(--tuned);fill-opacity:.35}.peer{fill:var(--peer)}.good{fill:var("
    "--good)}.bad{fill:var(--bad)}"
    ".worst{fill:var(--worst)}.same{fill:var(--same)}\n"
    "text.good{fill:var(--good)}text.bad{fill:var(--bad)}text.worst{fill:var(--worst)}text.same{fill:var(--soft)}\n"
    "circle.tuned,circle.good,circle.bad{fill-opacity:.75;stroke:var(--ground);stroke-width:1}"
    "circle.hollow{fill:var(--ground);stroke:var(--default);stroke-width:1.5}circle:hover,rect:hover{fill-opacity:1;stroke:var(--ink)}\n";

static constexpr std::string_view kLayout =
    "*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}\n"
    "main{max-width:1240px;margin:0 auto;padding:20px 16px 60px}h1{font-size:1.6rem;margin:.2em 0}h2{font-size:1.25rem;margin:2em 0 .5em;"
    "border-bottom:1px solid var(--rule);padding-bottom:.2em}h3{font-size:.95rem;margin:1.2em 0 .4em}.card h3{margin-top:0}\n"
    "p{margin:.4em 0;max-width:80ch}.soft{color:var(--soft)}p.soft{font-size:.9rem}"
    "code{font:.85em ui-monospace,monospace;overflow-wrap:anywhere}a{color:var(--tuned)}\n"
    "pre{background:var(--panel);padding:10px 12px;border-radius:6px;white-space:pre-wrap;overflow-wrap:anywhere;font:.85rem "
    "ui-monospace,monospace}"
    "svg{display:block;width:100%;height:auto}.roofline{max-width:820px}.cloud{max-width:460px}\n"
    ".cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,340px),1fr));gap:14px;align-items:start}"
    ".card,details{background:var(--panel);border:1px solid var(--rule);border-radius:8px;padding:12px 14px;min-width:0}"
    ".card svg,details svg{max-width:480px}.card p{font-size:.8rem;margin:0 0 .3em}.card .ground,details .ground{fill:var(--panel)}\n"
    "details{margin:8px 0}summary{cursor:pointer;overflow-wrap:anywhere}.figures{display:flex;flex-wrap:wrap;gap:6px 28px;margin:.6em 0}"
    ".figures div{min-width:110px}.figures b{display:block;font-size:1.35rem;line-height:1.2}.figures "
    "span{color:var(--soft);font-size:.85rem}\n"
    ".pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr));gap:18px;margin-top:10px}.pair>*{min-width:0}"
    ".wide{overflow-x:auto;margin:.6em 0}table{border-collapse:collapse;font-size:.86rem}"
    "th,td{padding:4px 12px 4px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}"
    "th{color:var(--soft);font-weight:600;white-space:nowrap}.r{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}"
    "td.c{min-width:15em}\n"
    ".key{display:flex;flex-wrap:wrap;gap:2px 16px;font-size:.85rem;color:var(--soft);margin:.3em 0}"
    ".key i{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:6px;background:var(--default)}"
    ".key i.tuned{background:var(--tuned)}.key i.tried{background:var(--tuned);opacity:.35}.key i.peer{background:var(--peer)}.key "
    "i.good{background:var(--good)}"
    ".key i.bad{background:var(--bad)}.key i.worst{background:var(--worst)}.key i.same{background:var(--same)}\n"
    "@media(max-width:600px){.roofline svg text{font-size:15px}.roofline svg text.small{font-size:13.5px}}\n"
    "@media print{details{break-inside:avoid}}\n";

std::string pictureStyle() { return std::string(kColours) + std::string(kMarks); }

std::string htmlPage(std::string_view title, std::string_view body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<style>\n{}{}</style>\n</head>\n"
      "<body>\n<main>\n{}</main>\n</body>\n</html>\n",
      htmlText(title), pictureStyle(), kLayout, body);
}

HtmlTable::HtmlTable(std::string kinds, std::vector<std::string> head) : kinds_(std::move(kinds)) {
  QUERN_CHECK(kinds_.size() == head.size());
  for (size_t i = 0; i < head.size(); ++i) head_ += fmt::format("<th{}>{}</th>", kinds_[i] == 'r' ? " class=\"r\"" : "", htmlText(head[i]));
}

void HtmlTable::add(const std::vector<std::string>& cells) {
  QUERN_CHECK(cells.size() == kinds_.size());
  rows_ += "<tr>";
  for (size_t i = 0; i < cells.size(); ++i) {
    std::string cell = htmlText(cells[i]);
    rows_ += kinds_[i] == 'c'   ? fmt::format("<td class=\"c\"><code>{}</code></td>", cell)
             : kinds_[i] == 'r' ? fmt::format("<td class=\"r\">{}</td>", cell)
                                : fmt::format("<td>{}</td>", cell);
  }
  rows_ += "</tr>\n";
}

std::string HtmlTable::html() const {
  return fmt::format("<div class=\"wide\"><table>\n<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody>\n</table></div>\n", head_, rows_);
}

}  // namespace quern
