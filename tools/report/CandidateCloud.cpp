// tools/report/CandidateCloud.cpp — what the cost model said of schedules against what was measured.
#include "tools/report/Pictures.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

namespace {

constexpr double kCloudWidth = 400, kCloudHeight = 320, kCloudLeft = 46, kCloudRight = 388, kCloudTop = 12, kCloudBottom = 276;

bool timedCandidate(const CandidateFacts& c) {
  return std::isfinite(c.predicted) && c.predicted > 0 && std::isfinite(c.ratio.middle) && c.ratio.middle > 0 &&
         std::isfinite(c.ratio.high);
}

void cloudGrid(Svg& svg, const Axis& x, const Axis& y) {
  for (double tick : x.ticks(7)) {
    svg.line(x.at(tick), kCloudTop, x.at(tick), kCloudBottom, "grid");
    svg.text(x.at(tick), kCloudBottom + 16, tickText(tick), "soft", Anchor::Middle);
  }
  for (double tick : y.ticks(7)) {
    svg.line(kCloudLeft, y.at(tick), kCloudRight, y.at(tick), "grid");
    svg.text(kCloudLeft - 6, y.at(tick) + 4, tickText(tick), "soft", Anchor::End);
  }
  svg.text((kCloudLeft + kCloudRight) / 2, kCloudBottom + 35, "predicted cost over the default's", "soft", Anchor::Middle);
  svg.text(13, (kCloudTop + kCloudBottom) / 2, "measured time over the default's", "soft", Anchor::Middle, -90);
}

}  // namespace

Svg candidateCloud(const OpFacts& op) {
  double low = 0.9, high = 1.1, left = 0.9, right = 1.1;
  for (const CandidateFacts& c : op.candidates) {
    if (!timedCandidate(c)) continue;
    left = std::min(left, c.predicted), right = std::max(right, c.predicted);
    low = std::min(low, c.ratio.middle), high = std::max(high, c.ratio.middle);  // intervals of few pairs are wide: they end at the edge
  }
  Svg svg(kCloudWidth, kCloudHeight, "candidates: predicted cost against measured time");
  Axis x = Axis::logarithmic(left / 1.06, right * 1.06, kCloudLeft, kCloudRight);
  Axis y = Axis::logarithmic(low / 1.06, high * 1.06, kCloudBottom, kCloudTop);
  cloudGrid(svg, x, y);
  double from = std::max(x.low(), y.low()), to = std::min(x.high(), y.high());
  svg.line(x.at(from), y.at(from), x.at(to), y.at(to), "dashed");
  for (bool runs : {false, true})  // what runs lies on top
    for (const CandidateFacts& c : op.candidates) {
      if (!timedCandidate(c) || c.runs != runs) continue;
      if (c.ratio.known()) svg.line(x.at(c.predicted), y.at(c.ratio.low), x.at(c.predicted), y.at(c.ratio.high), "faint");
      std::string hover = fmt::format("{}: predicted {:.3f}, measured {:.3f}{}", c.schedule, c.predicted, c.ratio.middle,
                                      runs ? ", this is what runs" : ", " + c.outcome);
      svg.circle(x.at(c.predicted), y.at(c.ratio.middle), runs ? 6 : 4,
                 runs                     ? "tuned"
                 : c.outcome == "default" ? "hollow"
                                          : "default",
                 hover);
    }
  return svg;
}

}  // namespace quern
