// tools/report/CallBars.cpp — what a call takes by default, tuned and with other libraries, as bars with intervals.
#include "tools/report/Pictures.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

namespace {

constexpr double kBarsWidth = 360, kBarsFrom = 80, kBarsTo = 252, kRow = 22, kThick = 13;
constexpr size_t kNameLetters = 12, kOpLetters = 44;

std::string_view looksOf(CallBar::Of of) {
  constexpr std::string_view kLooks[] = {"default", "tuned", "tried", "peer"};
  return kLooks[static_cast<size_t>(of)];
}

bool drawable(const CallBar& bar) { return std::isfinite(bar.ns.middle) && bar.ns.middle > 0 && std::isfinite(bar.ns.high); }

size_t drawableIn(const CallGroup& group) { return static_cast<size_t>(std::count_if(group.bars.begin(), group.bars.end(), drawable)); }

/// From `top` downwards.
void drawBars(Svg& svg, const CallGroup& group, double top) {
  double most = 0, first = 0;
  for (const CallBar& bar : group.bars) {
    if (!drawable(bar)) continue;
    most = std::max({most, bar.ns.middle, bar.ns.high});
    if (first == 0) first = bar.ns.middle;
  }
  if (!(most > 0)) return;
  Axis axis = Axis::linear(0, most, kBarsFrom, kBarsTo);
  for (const CallBar& bar : group.bars) {
    if (!drawable(bar)) continue;
    double middle = top + kRow / 2;
    std::string said = humanTime(bar.ns.middle);
    std::string hover = fmt::format("{}: {}", bar.name, said);
    if (bar.ns.known()) hover += fmt::format(" ({} to {}, 95 %)", humanTime(bar.ns.low), humanTime(bar.ns.high));
    if (&bar != &group.bars.front()) said += fmt::format(", {:.2f}x", first / bar.ns.middle);
    svg.text(kBarsFrom - 8, middle + 4, cutTo(bar.name, kNameLetters), "", Anchor::End);
    svg.rect(kBarsFrom, middle - kThick / 2, std::max(1.0, axis.at(bar.ns.middle) - kBarsFrom), kThick, looksOf(bar.of), hover);
    if (bar.ns.known() && bar.ns.high > bar.ns.low) {
      double low = axis.at(bar.ns.low), high = axis.at(bar.ns.high);
      svg.line(low, middle, high, middle, "whisker");
      for (double end : {low, high}) svg.line(end, middle - 4, end, middle + 4, "whisker");
    }
    svg.text(kBarsWidth - 2, middle + 4, said, "soft", Anchor::End);
    top += kRow;
  }
}

}  // namespace

Svg callBars(const CallGroup& group) {
  Svg svg(kBarsWidth, kRow * static_cast<double>(drawableIn(group)) + 4, "time of one call, as bars");
  svg.line(kBarsFrom, 0, kBarsFrom, kRow * static_cast<double>(drawableIn(group)) + 4, "axis");
  drawBars(svg, group, 2);
  return svg;
}

Svg callBars(std::span<const OpFacts> ops) {
  constexpr double kHeading = 22, kGap = 12;
  double height = 8;
  for (const OpFacts& op : ops)
    if (!op.calls.empty()) height += kHeading + kRow * static_cast<double>(drawableIn(op.calls.front())) + kGap;
  Svg svg(kBarsWidth, height, "time of one call by op, as bars");
  double top = 4;
  for (const OpFacts& op : ops) {
    if (op.calls.empty()) continue;
    svg.text(4, top + 15, cutTo(op.op, kOpLetters), "strong");
    double bars = kRow * static_cast<double>(drawableIn(op.calls.front()));
    svg.line(kBarsFrom, top + kHeading, kBarsFrom, top + kHeading + bars, "axis");
    drawBars(svg, op.calls.front(), top + kHeading);
    top += kHeading + bars + kGap;
  }
  return svg;
}

}  // namespace quern
