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
  bool same = ops == 0 && a.of == b.of;
  double common = rules_.everyOp + rules_.likeOps * std::exp(-ops / (2 * squared(rules_.opsLength))) + (same ? rules_.oneOp : 0);
  return common * (rules_.line * a.guess * b.guess + rules_.keyByKey * each + rules_.together * std::exp(-keys));
}

void CostFit::learn(const FitPoint& point, const Spread& ratio, size_t ratios) {
  if (points_.size() >= rules_.mostPoints) return;
  upper_.clear();
  points_.push_back(point);
  off_.push_back(std::log(ratio.median) - point.guess);
  // An interval of 95 % is four deviations wide; of a few ratios it says little itself.
  double width = ratio.low > 0 ? std::log(ratio.high / ratio.low) / 4 : 0;
  noise_.push_back(rules_.noise + rules_.scatter / static_cast<double>(std::max<size_t>(1, ratios)) + squared(width));
}

void CostFit::learnBase(const FitPoint& base) {
  constexpr double kSure = 1e-4;
  if (points_.size() >= rules_.mostPoints) return;
  upper_.clear();
  points_.push_back(base);
  off_.push_back(-base.guess);
  noise_.push_back(kSure);
}

/// Solves U^T x = b in place, from the first that is not zero on. Rows of U follow each other; so it goes along them.
static void forward(const std::vector<double>& upper, std::vector<double>& x, size_t first = 0) {
  size_t n = x.size();
  for (size_t i = first; i < n; ++i) {
    const double* row = upper.data() + i * n;
    double value = x[i] /= row[i];
    for (size_t j = i + 1; j < n; ++j) x[j] -= row[j] * value;
  }
}

/// Solves U x = b in place.
static void backward(const std::vector<double>& upper, std::vector<double>& x) {
  size_t n = x.size();
  for (size_t i = n; i-- > 0;) {
    const double* row = upper.data() + i * n;
    for (size_t j = i + 1; j < n; ++j) x[i] -= row[j] * x[j];
    x[i] /= row[i];
  }
}

/// The covariance as U^T U, and it solved for what the guesses are wrong by.
void CostFit::factor() const {
  size_t n = points_.size();
  if (upper_.size() == n * n) return;
  upper_.assign(n * n, 0);
  for (size_t i = 0; i < n; ++i)
    for (size_t j = i; j < n; ++j) upper_[i * n + j] = alike(points_[i], points_[j]) + (i == j ? noise_[i] : 0);
  for (size_t k = 0; k < n; ++k) {
    constexpr double kLeast = 1e-9;  // noise keeps it positive; rounding alone might not
    double* row = upper_.data() + k * n;
    double root = std::sqrt(std::max(kLeast, row[k]));
    for (size_t j = k; j < n; ++j) row[j] /= root;
    row[k] = root;
    for (size_t i = k + 1; i < n; ++i) {
      double* below = upper_.data() + i * n;
      for (size_t j = i; j < n; ++j) below[j] -= row[i] * row[j];
    }
  }
  weights_ = off_;
  forward(upper_, weights_);
  backward(upper_, weights_);
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
    forward(upper_, covariance);
    for (double each : covariance) variance -= squared(each);
    guesses.push_back({std::exp(mean), std::sqrt(std::max(0.0, variance))});
  }
  return guesses;
}

std::vector<CostFit::Guess> CostFit::leftOut() const {
  factor();
  // Of the inverse's diagonal each value is the squared length of a column of U's transposed inverse.
  size_t n = points_.size();
  std::vector<Guess> guesses;
  for (size_t i = 0; i < n; ++i) {
    std::vector<double> column(n, 0);
    column[i] = 1;
    forward(upper_, column, i);
    double diagonal = 0;
    for (double each : column) diagonal += squared(each);
    double off = off_[i] - weights_[i] / diagonal;
    guesses.push_back({std::exp(points_[i].guess + off), std::sqrt(std::max(0.0, 1 / diagonal - noise_[i]))});
  }
  return guesses;
}

}  // namespace quern
