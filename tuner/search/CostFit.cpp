// tuner/search/CostFit.cpp — see CostFit.h.
#include "tuner/search/CostFit.h"

#include <algorithm>
#include <cmath>

namespace quern {

static double squared(double x) { return x * x; }

/// The covariance of what two guesses are wrong by.
double CostFit::alike(const FitPoint& a, const FitPoint& b) const {
  double ops = 0, keys = 0, each = 0;
  for (size_t i = 0; i < a.op.size(); ++i) ops += squared(a.op[i] - b.op[i]);
  double length = 2 * squared(rules_.keysLength);
  for (size_t i = 0; i < a.keys.size(); ++i) {
    double distance = squared(a.keys[i] - b.keys[i]) / length;
    keys += distance;
    each += 1 / (1 + 2 * distance);
  }
  each /= static_cast<double>(std::max<size_t>(1, a.keys.size()));
  double common = rules_.everyOp + rules_.likeOps * std::exp(-ops / (2 * squared(rules_.opsLength))) + (ops == 0 ? rules_.oneOp : 0);
  return common * (rules_.line * a.guess * b.guess + rules_.keyByKey * each + rules_.together * std::exp(-keys));
}

void CostFit::learn(const FitPoint& point, const Spread& ratio, size_t ratios) {
  if (points_.size() >= rules_.mostPoints) return;
  lower_.clear();
  points_.push_back(point);
  off_.push_back(std::log(ratio.median) - point.guess);
  // An interval of 95 % is four deviations wide; of a few ratios it says little itself.
  double width = ratio.low > 0 ? std::log(ratio.high / ratio.low) / 4 : 0;
  noise_.push_back(rules_.noise + rules_.scatter / static_cast<double>(std::max<size_t>(1, ratios)) + squared(width));
}

void CostFit::learnBase(const FitPoint& base) {
  constexpr double kSure = 1e-4;
  if (points_.size() >= rules_.mostPoints) return;
  lower_.clear();
  points_.push_back(base);
  off_.push_back(-base.guess);
  noise_.push_back(kSure);
}

/// Solves L x = b in place, L the first rows of a lower triangle.
static void forward(const std::vector<double>& lower, std::vector<double>& x) {
  size_t n = x.size();
  for (size_t i = 0; i < n; ++i) {
    const double* row = lower.data() + i * n;
    double sum = x[i];
    for (size_t j = 0; j < i; ++j) sum -= row[j] * x[j];
    x[i] = sum / row[i];
  }
}

/// Solves L^T x = b in place.
static void backward(const std::vector<double>& lower, std::vector<double>& x) {
  size_t n = x.size();
  for (size_t i = n; i-- > 0;) {
    const double* row = lower.data() + i * n;
    x[i] /= row[i];
    for (size_t j = 0; j < i; ++j) x[j] -= row[j] * x[i];
  }
}

void CostFit::factor() const {
  size_t n = points_.size();
  if (lower_.size() == n * n) return;
  lower_.assign(n * n, 0);
  for (size_t i = 0; i < n; ++i) {
    double* row = lower_.data() + i * n;
    for (size_t j = 0; j <= i; ++j) {
      const double* other = lower_.data() + j * n;
      double sum = alike(points_[i], points_[j]) + (i == j ? noise_[i] : 0);
      for (size_t k = 0; k < j; ++k) sum -= row[k] * other[k];
      constexpr double kLeast = 1e-9;  // noise keeps it positive; rounding alone might not
      row[j] = i == j ? std::sqrt(std::max(kLeast, sum)) : sum / other[j];
    }
  }
  weights_ = off_;
  forward(lower_, weights_);
  backward(lower_, weights_);
}

std::vector<CostFit::Guess> CostFit::guess(const std::vector<FitPoint>& points) const {
  factor();
  std::vector<Guess> guesses;
  std::vector<double> covariance(points_.size());
  for (const FitPoint& point : points) {
    double mean = point.guess, variance = alike(point, point);
    for (size_t i = 0; i < points_.size(); ++i) {
      covariance[i] = alike(point, points_[i]);
      mean += covariance[i] * weights_[i];
    }
    forward(lower_, covariance);
    for (double each : covariance) variance -= squared(each);
    guesses.push_back({std::exp(mean), std::sqrt(std::max(0.0, variance))});
  }
  return guesses;
}

std::vector<CostFit::Guess> CostFit::leftOut() const {
  factor();
  // Of the inverse's diagonal each value is the squared length of a column of L's inverse.
  size_t n = points_.size();
  std::vector<Guess> guesses;
  for (size_t i = 0; i < n; ++i) {
    std::vector<double> column(n, 0);
    column[i] = 1;
    forward(lower_, column);
    double diagonal = 0;
    for (double each : column) diagonal += squared(each);
    double off = off_[i] - weights_[i] / diagonal;
    guesses.push_back({std::exp(points_[i].guess + off), std::sqrt(std::max(0.0, 1 / diagonal - noise_[i]))});
  }
  return guesses;
}

}  // namespace quern
