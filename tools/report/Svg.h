// tools/report/Svg.h — the few marks that pictures are made of, and the axes under them. Text of others is escaped on its way in.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quern {

/// As it stands in HTML and SVG, in quotes too: plain ASCII, control characters and other bytes as \xNN.
std::string htmlText(std::string_view text);

/// A figure with its 95 % interval; low 0: none is known.
struct Interval {
  double middle = 0, low = 0, high = 0;
  bool known() const { return low > 0 && high >= low; }
};

/// From values to coordinates.
class Axis {
public:
  /// Units  low < high, finite; of a logarithmic one low > 0. `from` and `to`: coordinates of low and high, in either order.
  static Axis linear(double low, double high, double from, double to);
  static Axis logarithmic(double low, double high, double from, double to);

  /// What lies outside is at the end it lies beyond; a NaN at the low one.
  double at(double value) const;
  /// Round values within, `most` at most.
  std::vector<double> ticks(size_t most) const;
  double low() const { return low_; }
  double high() const { return high_; }

private:
  Axis(bool logarithm, double low, double high, double from, double to)
      : logarithm_(logarithm), low_(low), high_(high), from_(from), to_(to) {}

  bool logarithm_;
  double low_, high_, from_, to_;
};

/// "0.1", "25", "1000"
std::string tickText(double value);
/// `text`, its end replaced by ".." where it is longer than `most`.
std::string cutTo(std::string_view text, size_t most);

enum class Anchor { Start, Middle, End };

/// One picture. Looks come from classes (Page.h), so that a page's colours are its pictures'.
class Svg {
public:
  /// `label`: what it shows, for who cannot see it.
  Svg(double width, double height, std::string_view label);

  void line(double x1, double y1, double x2, double y2, std::string_view looks);
  /// `hover`: shown where the pointer rests.
  void rect(double x, double y, double width, double height, std::string_view looks, std::string_view hover = "");
  void circle(double x, double y, double radius, std::string_view looks, std::string_view hover = "");
  void path(std::span<const std::pair<double, double>> points, std::string_view looks, std::string_view hover = "");
  /// `turned`: degrees, clockwise, about its anchor.
  void text(double x, double y, std::string_view text, std::string_view looks, Anchor anchor = Anchor::Start, double turned = 0);

  /// As a part of a page.
  std::string inPage() const;
  /// As a file of its own, with its colours.
  std::string file() const;

private:
  std::string opening(std::string_view more) const;

  double width_, height_;
  std::string label_, marks_;
};

}  // namespace quern
