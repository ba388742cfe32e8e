// tools/quern/BenchRow.cpp — see BenchRow.h.
#include "tools/quern/BenchRow.h"

#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

Json jsonOf(const BenchRow& row) {
  Json json = {{"op", row.op}};
  if (!row.id.empty()) json["id"] = row.id;
  json.update({{"cpu", row.cpu}, {"threads", row.threads}, {"schedule", row.schedule}, {"schedule_from", row.scheduleFrom}, {"cache_state", row.cacheState},
               {"warm_ns", row.warmNs.median}, {"warm_ns_low", row.warmNs.low}, {"warm_ns_high", row.warmNs.high}, {"rate", row.rate}, {"rate_unit", row.rateUnit},
               {"ceiling_percent", row.ceilingPercent}});
  if (row.coldMs) json["cold_ms"] = *row.coldMs;
  if (row.firstMs) json["first_ms"] = *row.firstMs;
  if (row.scopeMs) json["scope_ms"] = *row.scopeMs;
  if (row.tunedSpeedup) json["speedup_over_default"] = *row.tunedSpeedup;
  if (!row.recordedMs.empty()) json["recorded_ms"] = row.recordedMs;
  json["allocated_bytes"] = row.allocatedBytes;
  if (row.tokensPerS) json["tokens_per_s"] = *row.tokensPerS;
  if (!row.note.empty()) json["note"] = row.note;
  return json;
}

Columns columnsOf(const Ceilings& c) {
  Columns columns = {{"fma_f32_gflops", c.fmaGflops}};
  for (size_t level = 0; level < Ceilings::kLevels; ++level) {
    columns[fmt::format("read_{}_gbs", levelName(level))] = c.readGBs[level];
    columns[fmt::format("copy_{}_gbs", levelName(level))] = c.copyGBs[level];
  }
  return columns;
}

Json jsonOf(const Ceilings& ceilings) { return columnsOf(ceilings); }

static std::string ms(const std::optional<double>& value) { return value ? fmt::format("{:.3g}", *value) : "-"; }

/// Columns as wide as their widest cell.
static std::string aligned(const std::vector<std::vector<std::string>>& cells) {
  std::vector<size_t> widths;
  for (const auto& row : cells)
    for (size_t i = 0; i < row.size(); ++i) {
      if (widths.size() <= i) widths.push_back(0);
      widths[i] = std::max(widths[i], row[i].size());
    }
  std::string out;
  for (const auto& row : cells) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) line += i == 0 ? fmt::format("{:<{}}", row[i], widths[i]) : i + 1 == row.size() ? "  " + row[i] : fmt::format("  {:>{}}", row[i], widths[i]);
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

std::string tableOf(const std::vector<BenchRow>& rows) {
  bool recorded = false;
  for (const BenchRow& row : rows) recorded = recorded || !row.recordedMs.empty();
  std::vector<std::string> columns;
  for (const BenchRow& row : rows)
    for (const auto& [column, value] : row.recordedMs)
      if (std::find(columns.begin(), columns.end(), column) == columns.end()) columns.push_back(column);
  std::vector<std::vector<std::string>> cells;
  std::vector<std::string> head = {"row"};
  if (recorded) head.insert(head.end(), {"cold ms", "first ms", "scope ms"});
  for (const std::string& column : columns) head.push_back(column + " ms");
  if (recorded) head.emplace_back("speed vs best");
  head.insert(head.end(), {"warm call", "+-", "rate", "of ceiling", "vs default", "allocated", "schedule"});
  cells.push_back(head);
  for (const BenchRow& row : rows) {
    std::vector<std::string> line = {row.id.empty() ? row.op : row.id};
    if (recorded) line.insert(line.end(), {ms(row.coldMs), ms(row.firstMs), ms(row.scopeMs)});
    for (const std::string& column : columns) line.push_back(row.recordedMs.count(column) != 0 ? fmt::format("{:.4g}", row.recordedMs.at(column)) : "-");
    if (recorded) line.push_back(row.scopeMs && row.recordedMs.count("best") != 0 ? fmt::format("{:.1f}x", row.recordedMs.at("best") / *row.scopeMs) : "-");
    double spread = row.warmNs.median > 0 ? (row.warmNs.high - row.warmNs.low) / row.warmNs.median * 50 : 0;
    line.insert(line.end(), {humanTime(row.warmNs.median), fmt::format("{:.1f} %", spread), fmt::format("{:.4g} {}", row.rate, row.rateUnit),
                             row.ceilingPercent > 0 ? fmt::format("{:.0f} %", row.ceilingPercent) : "-", row.tunedSpeedup ? fmt::format("{:.2f}x", *row.tunedSpeedup) : "-",
                             humanBytes(static_cast<double>(row.allocatedBytes)), row.scheduleFrom + (row.note.empty() ? "" : "; " + row.note)});
    cells.push_back(std::move(line));
  }
  return aligned(cells);
}

void setRate(BenchRow& row, const OpDesc& op, const Ceilings& ceilings) {
  double ns = row.warmNs.median;
  bool arithmetic = flopsOf(op) / ceilings.fmaGflops > 0.5 * rooflineNs(op, ceilings);
  row.rate = ns > 0 ? (arithmetic ? flopsOf(op) : minBytesOf(op)) / ns : 0;
  row.rateUnit = arithmetic ? "GFLOPS" : "GB/s";
  row.ceilingPercent = ns > 0 ? 100 * rooflineNs(op, ceilings) / ns / row.threads : 0;
}

}  // namespace quern
