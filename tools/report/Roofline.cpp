// tools/report/Roofline.cpp — the machine's ceilings and what its ops reach of them, log by log.
#include "tools/report/Pictures.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>
#include <numbers>

namespace quern {

std::string OpFacts::rate() const {
  if (!(ns() > 0)) return "-";
  return flops > 0 ? fmt::format("{:.4g} GFLOP/s", flops / ns()) : fmt::format("{:.4g} GB/s", bytes / ns());
}

bool onRoofline(const OpFacts& op) { return op.flops > 0 && op.bytes > 0 && op.ns() > 0 && std::isfinite(op.ns()); }

namespace {

constexpr double kWidth = 520, kHeight = 380, kLeft = 52, kRight = 508, kTop = 14, kBottom = 336;

/// A label's place, so that no other covers it.
struct Box {
  double left, top, right, bottom;
  bool meets(const Box& other) const { return left < other.right && other.left < right && top < other.bottom && other.top < bottom; }
};

class Roofline {
public:
  Roofline(const MachineFacts& machine, const std::vector<OpFacts>& ops)
      : machine_(machine),
        ops_(ops),
        svg_(kWidth, kHeight, "roofline: operations per byte against GFLOP/s"),
        x_(axisOfX()),
        y_(axisOfY()) {}

  Svg draw() {
    grid();
    if (machine_.measured()) roofs();
    points();
    return std::move(svg_);
  }

private:
  static double intensity(const OpFacts& op) { return op.flops / op.bytes; }
  static double gflops(const OpFacts& op) { return op.flops / op.ns(); }

  Axis axisOfX() const {
    double low = 0.25, high = 16;
    for (const OpFacts& op : ops_)
      if (onRoofline(op)) low = std::min(low, intensity(op)), high = std::max(high, intensity(op));
    if (machine_.measured())
      for (const MemoryLevel& level : machine_.levels)
        if (level.readGBs > 0) high = std::max(high, machine_.fmaGflops / level.readGBs);
    return Axis::logarithmic(low / 4, high * 2, kLeft, kRight);
  }

  Axis axisOfY() const {
    double low = 1, high = std::max(10.0, machine_.fmaGflops);
    for (const OpFacts& op : ops_)
      if (onRoofline(op)) low = std::min(low, gflops(op)), high = std::max(high, gflops(op));
    return Axis::logarithmic(low / 2, high * 1.8, kBottom, kTop);
  }

  void grid() {
    for (double tick : x_.ticks(8)) {
      svg_.line(x_.at(tick), kTop, x_.at(tick), kBottom, "grid");
      svg_.text(x_.at(tick), kBottom + 16, tickText(tick), "soft", Anchor::Middle);
    }
    for (double tick : y_.ticks(7)) {
      svg_.line(kLeft, y_.at(tick), kRight, y_.at(tick), "grid");
      svg_.text(kLeft - 6, y_.at(tick) + 4, tickText(tick), "soft", Anchor::End);
    }
    svg_.text((kLeft + kRight) / 2, kBottom + 36, "operations per byte that must move", "soft", Anchor::Middle);
    svg_.text(13, (kTop + kBottom) / 2, "GFLOP/s", "soft", Anchor::Middle, -90);
  }

  /// One line a level up to the arithmetic's ceiling, its name along it; levels about as fast share a name.
  void roofs() {
    double fma = machine_.fmaGflops;
    double slope = (y_.at(y_.low() * 10) - y_.at(y_.low())) / (x_.at(x_.low() * 10) - x_.at(x_.low()));
    double angle = std::atan(slope) * 180 / std::numbers::pi;
    double ridge = x_.high(), above = 0;  // the line above, where the left end is
    for (size_t i = 0; i < machine_.levels.size();) {
      double rate = machine_.levels[i].readGBs;
      std::string names = machine_.levels[i].name;
      size_t next = i + 1;
      for (; next < machine_.levels.size() && machine_.levels[next].readGBs * 1.15 > rate; ++next)
        names += ", " + machine_.levels[next].name;
      i = next;
      if (!(rate > 0)) continue;
      double from = std::max(x_.low(), y_.low() / rate), to = fma / rate;
      if (to <= from) continue;
      ridge = std::min(ridge, to);
      const std::pair<double, double> ends[] = {{x_.at(from), y_.at(from * rate)}, {x_.at(to), y_.at(fma)}};
      std::string said = fmt::format("{} {:.4g} GB/s", names, rate);
      svg_.path(ends, "slope", said + ", read");
      // Above its line; where another line is near there, below.
      bool near = above > 0 && y_.at(from * rate) - above < 34;
      above = y_.at(from * rate);
      double labelX = ends[0].first + (near ? 18 : 10), labelY = ends[0].second + (near ? 18 * slope + 13 : 10 * slope - 5);
      svg_.text(labelX, labelY, said, "soft small", Anchor::Start, angle);
      // What the turned text covers, in pieces along it.
      for (double along = 0; along < 6.0 * static_cast<double>(said.size()); along += 8) {
        double x = labelX + along * std::cos(std::atan(slope)), y = labelY + along * std::sin(std::atan(slope));
        taken_.push_back({x - 2, y - 10, x + 10, y + 2});
      }
    }
    const std::pair<double, double> flat[] = {{x_.at(ridge), y_.at(fma)}, {kRight, y_.at(fma)}};
    std::string said = fmt::format("fma {:.4g} GFLOP/s", fma);
    svg_.path(flat, "roof", said);
    svg_.text(kRight - 2, y_.at(fma) - 6, said, "strong small", Anchor::End);
    taken_.push_back({kRight - 130, y_.at(fma) - 18, kRight, y_.at(fma) - 2});
  }

  void points() {
    for (const OpFacts& op : ops_) {
      if (!onRoofline(op)) continue;
      double x = x_.at(intensity(op)), y = y_.at(gflops(op)), before = y_.at(op.flops / op.defaultNs);
      if (std::fabs(before - y) > 3) {
        svg_.line(x, before, x, y, "faint");
        svg_.circle(x, before, 3.2, "hollow", op.op + ": default, " + fmt::format("{:.4g} GFLOP/s", op.flops / op.defaultNs));
      }
      taken_.push_back({x - 4, y - 4, x + 4, y + 4});
    }
    for (size_t i = 0; i < ops_.size(); ++i) {
      const OpFacts& op = ops_[i];
      if (!onRoofline(op)) continue;
      std::string share = op.leastNs > 0 ? fmt::format(", {:.0f} % of its ceiling", op.ceilingPercent()) : "";
      double x = x_.at(intensity(op)), y = y_.at(gflops(op));
      svg_.circle(x, y, 5, "tuned", fmt::format("{}: {}{}", op.op, op.rate(), share));
      label(x, y, std::to_string(i + 1));
    }
  }

  /// A point's number, beside it where there is room; none where there is none.
  void label(double x, double y, const std::string& number) {
    double width = 6.4 * static_cast<double>(number.size());
    const std::pair<double, double> places[] = {{x + 7, y + 4}, {x - 7 - width, y + 4}, {x - width / 2, y - 8}, {x - width / 2, y + 17},
                                                {x + 6, y - 6}, {x + 6, y + 14},        {x - 6 - width, y - 6}, {x - 6 - width, y + 14}};
    for (auto [left, base] : places) {
      Box box{left, base - 9, left + width, base + 1};
      bool inside = box.left > kLeft && box.right < kRight && box.top > kTop && box.bottom < kBottom;
      if (!inside || std::any_of(taken_.begin(), taken_.end(), [&](const Box& other) { return box.meets(other); })) continue;
      svg_.text(left, base, number, "small");
      taken_.push_back(box);
      return;
    }
  }

  const MachineFacts& machine_;
  const std::vector<OpFacts>& ops_;
  Svg svg_;
  Axis x_, y_;
  std::vector<Box> taken_;
};

}  // namespace

Svg rooflinePicture(const MachineFacts& machine, const std::vector<OpFacts>& ops) { return Roofline(machine, ops).draw(); }

}  // namespace quern
