// tests/tuner/CostFitTest.cpp — what is fitted to measurements: nothing without any, the truth with some, and the same every time.
#include "tests/Support.h"
#include "tuner/Explain.h"
#include "tuner/search/CostFit.h"

#include <cmath>
#include <random>

using namespace quern;

namespace {

/// A schedule of four keys, in doublings. The guess knows the first one's part only, and not how the second and third go together.
FitPoint drawn(std::mt19937_64& random, double op) {
  FitPoint point{{op, 1}, {}, 0};
  for (int i = 0; i < 4; ++i) point.keys.push_back(static_cast<double>(random() % 5));
  point.guess = 0.1 * point.keys[0];
  return point;
}

double truth(const FitPoint& point) {
  return std::exp(0.1 * point.keys[0] + 0.15 * std::abs(point.keys[1] - point.keys[2]) - 0.1 * point.keys[3]);
}

Spread exactly(double ratio) { return {ratio, 0.98 * ratio, 1.02 * ratio}; }

double orderBy(const std::vector<FitPoint>& points, const std::vector<CostFit::Guess>& guesses) {
  std::vector<std::pair<double, double>> pairs;
  for (size_t i = 0; i < points.size(); ++i) pairs.emplace_back(guesses[i].ratio, truth(points[i]));
  return spearmanOf(pairs);
}

/// A fit of so many schedules of one op, and others to be guessed.
struct Trial {
  CostFit fit;
  std::vector<FitPoint> learnt, rest;
};
Trial trial(size_t learnt, double learntOp, double restOp) {
  std::mt19937_64 random(3);
  Trial made;
  made.fit.learnBase({{learntOp, 1}, {0, 0, 0, 0}, 0});
  for (size_t i = 0; i < learnt; ++i) made.learnt.push_back(drawn(random, learntOp));
  for (int i = 0; i < 100; ++i) made.rest.push_back(drawn(random, restOp));
  for (const FitPoint& point : made.learnt) made.fit.learn(point, exactly(truth(point)), 20);
  return made;
}

}  // namespace

TEST_CASE("without measurements a fit says what was guessed") {
  Trial none = trial(0, 5, 5);
  CostFit empty;
  for (const CostFit* fit : {&empty, &none.fit}) {
    std::vector<CostFit::Guess> guesses = fit->guess(none.rest);
    for (size_t i = 0; i < guesses.size(); ++i) {
      CHECK(guesses[i].ratio == Approx(std::exp(none.rest[i].guess)));
      CHECK(guesses[i].doubt >= 0);
    }
  }
}

TEST_CASE("a fit learns an op's order from some of its schedules, and another's from it") {
  double guessed = orderBy(trial(0, 5, 5).rest, trial(0, 5, 5).fit.guess(trial(0, 5, 5).rest));
  Trial same = trial(60, 5, 5), other = trial(60, 5, 6), distant = trial(60, 5, 40);
  double own = orderBy(same.rest, same.fit.guess(same.rest)), near = orderBy(other.rest, other.fit.guess(other.rest)),
         far = orderBy(distant.rest, distant.fit.guess(distant.rest));
  INFO("guessed " << guessed << ", own " << own << ", near " << near << ", far " << far);
  CHECK(guessed < 0.6);
  CHECK(own > 0.9);
  CHECK(near > 0.85);
  CHECK(far > guessed);
  CHECK(own >= near);
  // Near what was measured it is sure of it; elsewhere it is not.
  CHECK(same.fit.guess({same.learnt[0]})[0].doubt < same.fit.guess({distant.rest[0]})[0].doubt / 2);
}

TEST_CASE("what all others say of a schedule is what a fit without it says") {
  Trial all = trial(12, 5, 5);
  std::vector<CostFit::Guess> leftOut = all.fit.leftOut();
  REQUIRE(leftOut.size() == 13);
  for (size_t out = 0; out < all.learnt.size(); ++out) {
    CostFit without;
    without.learnBase({{5, 1}, {0, 0, 0, 0}, 0});
    for (size_t i = 0; i < all.learnt.size(); ++i)
      if (i != out) without.learn(all.learnt[i], exactly(truth(all.learnt[i])), 20);
    CostFit::Guess guess = without.guess({all.learnt[out]})[0];
    CHECK(leftOut[1 + out].ratio == Approx(guess.ratio).epsilon(1e-6));
    CHECK(leftOut[1 + out].doubt == Approx(guess.doubt).epsilon(1e-4).margin(1e-6));
  }
}

TEST_CASE("the same measurements in the same order give the same numbers; too many are not looked at") {
  Trial one = trial(40, 5, 5), two = trial(40, 5, 5);
  std::vector<CostFit::Guess> first = one.fit.guess(one.rest), second = two.fit.guess(two.rest);
  for (size_t i = 0; i < first.size(); ++i) CHECK(first[i].ratio == second[i].ratio);
  CostFitRules rules;
  rules.mostPoints = 10;
  CostFit few(rules);
  for (const FitPoint& point : one.learnt) few.learn(point, exactly(truth(point)), 20);
  CHECK(few.points() == 10);
}

TEST_CASE("a ratio of few blocks that scatter counts less than one of many that agree") {
  FitPoint base{{1}, {0}, 0}, here{{1}, {3}, 0};
  auto after = [&](const Spread& ratio, size_t ratios) {
    CostFit fit;
    fit.learnBase(base);
    fit.learn(here, ratio, ratios);
    return fit.guess({here})[0].ratio;
  };
  double sure = after({0.5, 0.49, 0.51}, 40), unsure = after({0.5, 0.3, 1.5}, 5);
  CHECK(sure < 0.55);
  CHECK(unsure > sure + 0.05);
  CHECK(unsure < 1);
}

TEST_CASE("another op of the same sizes says less than the op itself") {
  FitPoint base{{1}, {0}, 0, 1}, here{{1}, {3}, 0, 1}, there = here;
  there.of = 2;
  CostFit fit;
  fit.learnBase(base);
  fit.learn(here, exactly(0.5), 40);
  CHECK(fit.guess({here})[0].ratio < fit.guess({there})[0].ratio - 0.05);
  CHECK(fit.guess({there})[0].ratio < 0.8);
  CHECK(fit.guess({here})[0].doubt < fit.guess({there})[0].doubt);
}
