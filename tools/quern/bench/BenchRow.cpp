// tools/quern/bench/BenchRow.cpp — see BenchRow.h.
#include "tools/quern/bench/BenchRow.h"

#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

/// {"fast": {"blocks": ..., "ns": ...}, "slow": ...}
static Json jsonOf(const std::vector<AtSpeed>& atSpeeds, bool ratios) {
  Json json = Json::object();
  for (const AtSpeed& at : atSpeeds) {
    Json& own = json[std::string(nameOf(at.mode))];
    own = {{"blocks", at.blocks}, {"ns", at.b.median}};
    if (ratios) own.update({{"ratio", at.ratio.median}, {"ratio_low", at.ratio.low}, {"ratio_high", at.ratio.high}});
  }
  return json;
}

static Json jsonOf(const PeerFigure& figure) {
  Json json = Json::object();
  if (!figure.version.empty()) json["version"] = figure.version;
  if (!figure.path.empty()) json["path"] = figure.path + (figure.way.empty() ? "" : ", " + figure.way);
  if (!figure.why.empty()) json[figure.path.empty() ? "absent" : "reason"] = figure.why;
  else
    json.update({{"ratio", figure.ratio.median},
                 {"ratio_low", figure.ratio.low},
                 {"ratio_high", figure.ratio.high},
                 {"ceiling_percent", figure.ceilingPercent},
                 {"ns", figure.ns.median},
                 {"ns_low", figure.ns.low},
                 {"ns_high", figure.ns.high}});
  if (!figure.atSpeeds.empty()) json["tile_speeds"] = jsonOf(figure.atSpeeds, true);
  return json;
}

Json jsonOf(const BenchRow& row) {
  Json json = {{"op", row.op}};
  if (!row.id.empty()) json["id"] = row.id;
  json.update({{"cpu", row.cpu},
               {"threads", row.threads},
               {"schedule", row.schedule},
               {"schedule_from", row.scheduleFrom},
               {"cache_state", row.cacheState},
               {"warm_ns", row.warmNs.median},
               {"warm_ns_low", row.warmNs.low},
               {"warm_ns_high", row.warmNs.high},
               {"rate", row.rate},
               {"rate_unit", row.rateUnit},
               {"ceiling_percent", row.ceilingPercent}});
  if (!row.atSpeeds.empty()) json["tile_speeds"] = jsonOf(row.atSpeeds, false);
  if (row.coldMs) json["cold_ms"] = *row.coldMs;
  if (row.firstMs) json["first_ms"] = *row.firstMs;
  if (row.scopeMs) json["scope_ms"] = *row.scopeMs;
  if (row.tunedSpeedup) json["speedup_over_default"] = *row.tunedSpeedup;
  if (!row.recordedMs.empty()) json["recorded_ms"] = row.recordedMs;
  json["allocated_bytes"] = row.allocatedBytes;
  if (row.tokensPerS) json["tokens_per_s"] = *row.tokensPerS;
  if (!row.note.empty()) json["note"] = row.note;
  for (const PeerFigure& figure : row.peers) json["peers"][figure.peer] = jsonOf(figure);
  return json;
}

Columns columnsOf(const Ceilings& c) {
  Columns columns = {{"fma_f32_gflops", c.fmaGflops}};
  if (c.dotGops > 0) columns["dot_i8_gops"] = c.dotGops;
  if (c.pairGflops > 0) columns["dot_bf16_gflops"] = c.pairGflops;
  if (c.tileGflops > 0) columns["tile_bf16_gflops"] = c.tileGflops;
  if (c.tileGops > 0) columns["tile_i8_gops"] = c.tileGops;
  if (c.slowTiles > 0) columns["slow_tiles"] = c.slowTiles;
  for (size_t level = 0; level < Ceilings::kLevels; ++level) {
    columns[fmt::format("read_{}_gbs", levelName(level))] = c.readGBs[level];
    columns[fmt::format("copy_{}_gbs", levelName(level))] = c.copyGBs[level];
  }
  return columns;
}

Json jsonOf(const Ceilings& ceilings) { return columnsOf(ceilings); }

static std::string ms(const std::optional<double>& value) { return value ? fmt::format("{:.3g}", *value) : "-"; }

/// "1.21x +-0.02 (78 %)": ratio, half its interval, the peer's share of the ceiling.
static std::string cellOf(const PeerFigure& figure) {
  if (!figure.why.empty()) return figure.brief;
  return fmt::format("{:.2f}x +-{:.2f} ({:.0f} %)", figure.ratio.median, (figure.ratio.high - figure.ratio.low) / 2, figure.ceilingPercent);
}

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
    for (size_t i = 0; i < row.size(); ++i)
      line += i == 0                ? fmt::format("{:<{}}", row[i], widths[i])
              : i + 1 == row.size() ? "  " + row[i]
                                    : fmt::format("  {:>{}}", row[i], widths[i]);
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

/// "; tiles slow (fast: 12.1 us)": the speed that the row's figures are of, and the other's time.
static std::string speedText(const std::vector<AtSpeed>& atSpeeds) {
  if (atSpeeds.empty()) return {};
  std::string out = fmt::format("; tiles {}", nameOf(atSpeeds[0].mode));
  for (size_t i = 1; i < atSpeeds.size(); ++i) out += fmt::format(" ({}: {})", nameOf(atSpeeds[i].mode), humanTime(atSpeeds[i].b.median));
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
  head.insert(head.end(), {"warm call", "+-", "rate", "of ceiling"});
  if (!rows.empty())
    for (const PeerFigure& figure : rows.front().peers) head.push_back("speed vs " + figure.peer);
  head.insert(head.end(), {"vs default", "allocated", "schedule"});
  cells.push_back(head);
  for (const BenchRow& row : rows) {
    std::vector<std::string> line = {row.id.empty() ? row.op : row.id};
    if (recorded) line.insert(line.end(), {ms(row.coldMs), ms(row.firstMs), ms(row.scopeMs)});
    for (const std::string& column : columns)
      line.push_back(row.recordedMs.count(column) != 0 ? fmt::format("{:.4g}", row.recordedMs.at(column)) : "-");
    if (recorded)
      line.push_back(row.scopeMs && row.recordedMs.count("best") != 0 ? fmt::format("{:.1f}x", row.recordedMs.at("best") / *row.scopeMs)
                                                                      : "-");
    double spread = row.warmNs.median > 0 ? (row.warmNs.high - row.warmNs.low) / row.warmNs.median * 50 : 0;
    line.insert(line.end(),
                {humanTime(row.warmNs.median), fmt::format("{:.1f} %", spread), fmt::format("{:.4g} {}", row.rate, row.rateUnit),
                 row.ceilingPercent > 0 ? fmt::format("{:.0f} %", row.ceilingPercent) : "-"});
    for (const PeerFigure& figure : row.peers) line.push_back(cellOf(figure));
    line.insert(line.end(),
                {row.tunedSpeedup ? fmt::format("{:.2f}x", *row.tunedSpeedup) : "-", humanBytes(static_cast<double>(row.allocatedBytes)),
                 row.scheduleFrom + speedText(row.atSpeeds) + (row.note.empty() ? "" : "; " + row.note)});
    cells.push_back(std::move(line));
  }
  return aligned(cells);
}

void setRate(BenchRow& row, const OpDesc& op, const Ceilings& ceilings) {
  double ns = row.warmNs.median;
  bool arithmetic = arithmeticNs(op, ceilings) > 0.5 * rooflineNs(op, ceilings);
  row.rate = ns > 0 ? (arithmetic ? flopsOf(op) : minBytesOf(op)) / ns : 0;
  row.rateUnit = arithmetic ? "GFLOPS" : "GB/s";
  row.leastNs = [op, threads = row.threads](const Ceilings& of) { return rooflineNs(op, of) / threads; };
}

void holdAgainst(BenchRow& row, const Ceilings& ceilings) {
  if (!row.leastNs) return;
  auto share = [&](double ns, const std::vector<AtSpeed>& atSpeeds) {
    bool slow = !atSpeeds.empty() && atSpeeds.front().mode == TileSpeed::Mode::Slow;
    return ns > 0 ? 100 * row.leastNs(slow ? ceilings.withSlowTiles() : ceilings) / ns : 0;
  };
  row.ceilingPercent = share(row.warmNs.median, row.atSpeeds);
  for (PeerFigure& figure : row.peers) figure.ceilingPercent = share(figure.ns.median, figure.atSpeeds);
}

void holdAgainstOrRaise(BenchRow& row, Ceilings& ceilings, const Target& target, const Stop& stop) {
  constexpr double kAbove = 102, kSeconds = 0.5;  // a ceiling is a best figure: two percent are its noise
  holdAgainst(row, ceilings);
  if (row.ceilingPercent <= kAbove || stop.asked()) return;
  raiseTo(ceilings, measureCeilings(target, kSeconds, stop));
  holdAgainst(row, ceilings);
}

}  // namespace quern
