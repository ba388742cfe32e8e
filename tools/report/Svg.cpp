// tools/report/Svg.cpp — see Svg.h.
#include "tools/report/Svg.h"

#include "compiler/base/Check.h"
#include "compiler/base/Text.h"
#include "tools/report/Page.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace quern {

std::string htmlText(std::string_view text) {
  std::string out;
  for (char c : escaped(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

Axis Axis::linear(double low, double high, double from, double to) {
  QUERN_CHECK(std::isfinite(low) && std::isfinite(high) && low < high);
  return {false, low, high, from, to};
}

Axis Axis::logarithmic(double low, double high, double from, double to) {
  QUERN_CHECK(std::isfinite(high) && low > 0 && low < high);
  return {true, low, high, from, to};
}

double Axis::at(double value) const {
  if (!(value > low_)) return from_;
  if (value >= high_) return to_;
  double part = logarithm_ ? std::log(value / low_) / std::log(high_ / low_) : (value - low_) / (high_ - low_);
  return from_ + part * (to_ - from_);
}

/// Steps of a decade, coarser and coarser.
static std::vector<double> decadeTicks(double low, double high, const std::vector<double>& steps, int every) {
  std::vector<double> ticks;
  for (int power = static_cast<int>(std::floor(std::log10(low))); power <= static_cast<int>(std::ceil(std::log10(high))); ++power)
    for (double step : steps)
      if (double value = step * std::pow(10, power); power % every == 0 && value >= low * 0.999 && value <= high * 1.001)
        ticks.push_back(value);
  return ticks;
}

std::vector<double> Axis::ticks(size_t most) const {
  constexpr double kNarrow = 5;  // below this, round steps say more than parts of a decade
  if (logarithm_ && high_ / low_ > kNarrow) {
    const std::vector<double> kSteps[] = {{1, 1.5, 2, 3, 4, 5, 7}, {1, 2, 5}, {1, 3}, {1}};
    for (const std::vector<double>& steps : kSteps)
      if (auto ticks = decadeTicks(low_, high_, steps, 1); ticks.size() <= most) return ticks;
    for (int every = 2; every < 400; ++every)
      if (auto ticks = decadeTicks(low_, high_, {1}, every); ticks.size() <= most) return ticks;
    return {};
  }
  double raw = (high_ - low_) / static_cast<double>(most), power = std::pow(10, std::floor(std::log10(raw)));
  double step = power * 10;
  for (double each : {1.0, 2.0, 5.0})
    if (each * power >= raw) {
      step = each * power;
      break;
    }
  std::vector<double> ticks;
  for (double value = std::ceil(low_ / step) * step; value <= high_ * 1.0001 && ticks.size() < most; value += step) ticks.push_back(value);
  return ticks;
}

std::string tickText(double value) {
  return value >= 1e6 || (value > 0 && value < 1e-3) ? fmt::format("{:.0e}", value) : fmt::format("{:.6g}", value);
}

std::string cutTo(std::string_view text, size_t most) {
  return text.size() <= most || most < 2 ? std::string(text) : std::string(text.substr(0, most - 2)) + "..";
}

/// A coordinate. That it is a number is the axes' promise.
static std::string coordinate(double value) {
  QUERN_CHECK(std::isfinite(value));
  std::string digits = fmt::format("{:.1f}", value);
  if (digits.ends_with(".0")) digits.resize(digits.size() - 2);
  return digits == "-0" ? "0" : digits;
}

static std::string hoverOf(std::string_view hover) { return hover.empty() ? "" : "<title>" + htmlText(hover) + "</title>"; }

Svg::Svg(double width, double height, std::string_view label) : width_(width), height_(height), label_(label) {}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view looks) {
  marks_ += fmt::format("<line class=\"{}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>\n", looks, coordinate(x1), coordinate(y1),
                        coordinate(x2), coordinate(y2));
}

void Svg::rect(double x, double y, double width, double height, std::string_view looks, std::string_view hover) {
  marks_ += fmt::format("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\">{}</rect>\n", looks, coordinate(x), coordinate(y),
                        coordinate(std::max(0.0, width)), coordinate(std::max(0.0, height)), hoverOf(hover));
}

void Svg::circle(double x, double y, double radius, std::string_view looks, std::string_view hover) {
  marks_ += fmt::format("<circle class=\"{}\" cx=\"{}\" cy=\"{}\" r=\"{}\">{}</circle>\n", looks, coordinate(x), coordinate(y),
                        coordinate(radius), hoverOf(hover));
}

void Svg::path(std::span<const std::pair<double, double>> points, std::string_view looks, std::string_view hover) {
  std::string steps;
  for (auto [x, y] : points) steps += fmt::format("{}{} {}", steps.empty() ? "M" : " L", coordinate(x), coordinate(y));
  marks_ += fmt::format("<path class=\"{}\" d=\"{}\">{}</path>\n", looks, steps, hoverOf(hover));
}

void Svg::text(double x, double y, std::string_view text, std::string_view looks, Anchor anchor, double turned) {
  constexpr const char* kAnchors[] = {"start", "middle", "end"};
  std::string turn = turned == 0 ? "" : fmt::format(" transform=\"rotate({} {} {})\"", coordinate(turned), coordinate(x), coordinate(y));
  marks_ += fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\" text-anchor=\"{}\"{}>{}</text>\n", looks, coordinate(x), coordinate(y),
                        kAnchors[static_cast<size_t>(anchor)], turn, htmlText(text));
}

std::string Svg::opening(std::string_view more) const {
  return fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\"{}>\n",
                     coordinate(width_), coordinate(height_), htmlText(label_), more);
}

std::string Svg::inPage() const { return opening("") + marks_ + "</svg>\n"; }

std::string Svg::file() const {
  std::string size = fmt::format(" width=\"{}\" height=\"{}\"", coordinate(width_), coordinate(height_));
  return fmt::format("{}<style>{}</style>\n<rect class=\"ground\" x=\"0\" y=\"0\" width=\"{}\" height=\"{}\"/>\n{}</svg>\n", opening(size),
                     pictureStyle(), coordinate(width_), coordinate(height_), marks_);
}

}  // namespace quern
