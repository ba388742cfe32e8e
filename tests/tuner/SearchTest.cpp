// tests/tuner/SearchTest.cpp — who is timed next and who wins, decided from drawn ratios: no kernel, no clock.
#include "tests/Support.h"
#include "tuner/search/Duel.h"
#include "tuner/search/Halving.h"

#include <cmath>
#include <random>

using namespace quern;

namespace {

/// Ratios as a shared machine gives them: a scatter of some percent, and now and then a block that lost its core.
class Machine {
public:
  explicit Machine(uint64_t seed) : random_(seed) {}
  std::vector<double> ratios(double truth, int pairs) {
    std::vector<double> drawn;
    std::normal_distribution<double> scatter(0, 0.03);
    for (int i = 0; i < pairs; ++i) {
      double ratio = truth * std::exp(scatter(random_));
      if (random_() % 20 == 0) ratio *= random_() % 2 == 0 ? 2 : 0.5;
      drawn.push_back(ratio);
    }
    return drawn;
  }

private:
  std::mt19937_64 random_;
};

Verdict fought(double truth, uint64_t seed, int& pairs) {
  Machine machine(seed);
  Duel duel{DuelRules()};
  while (int more = duel.wants()) duel.took(machine.ratios(truth, more));
  pairs += duel.pairs();
  return duel.verdict();
}

}  // namespace

TEST_CASE("two copies of one kernel: at most one duel in a hundred changes the incumbent; 5 % faster wins") {
  constexpr int kTrials = 2000;
  int switches = 0, wins = 0, same = 0, planted = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    switches += fought(1, static_cast<uint64_t>(trial), same) == Verdict::Faster;
    wins += fought(0.95, static_cast<uint64_t>(trial) + kTrials, planted) == Verdict::Faster;
  }
  INFO(switches << " switches, " << wins << " wins of " << kTrials << "; pairs " << same / kTrials << " and " << planted / kTrials);
  CHECK(switches <= kTrials / 100);
  CHECK(wins >= kTrials * 95 / 100);
  CHECK(planted <= 2 * same);  // in the same time
}

TEST_CASE("a duel says what it knows") {
  int pairs = 0;
  CHECK(fought(0.5, 1, pairs) == Verdict::Faster);
  CHECK(pairs == DuelRules().leastPairs);
  pairs = 0;
  CHECK(fought(1.5, 1, pairs) == Verdict::Slower);
  CHECK(pairs == DuelRules().leastPairs);
  Duel duel{DuelRules()};
  CHECK(duel.verdict() == Verdict::Open);
  CHECK(duel.wants() == DuelRules().leastPairs);
  duel.took(std::vector<double>(15, 0.99));  // surely faster, and by less than drift is
  CHECK(duel.verdict() == Verdict::NoDifference);
  CHECK(duel.wants() == 0);
}

TEST_CASE("of many candidates the fastest is found, the hopeless get little time, and ties go to the first") {
  int found = 0;
  constexpr int kTrials = 200;
  int64_t pairs = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    Machine machine(static_cast<uint64_t>(trial));
    Halving halving{HalvingRules()};
    constexpr size_t kMany = 40;
    for (size_t i = 0; i < kMany; ++i) halving.join();
    auto truth = [](size_t who) { return who == 23 ? 0.9 : 1 + 0.02 * static_cast<double>(who % 30); };
    while (auto turn = halving.next()) halving.took(turn->who, machine.ratios(truth(turn->who), turn->pairs));
    found += halving.best() == size_t{23};
    pairs += halving.pairs();
    CHECK(halving.ratios(29).size() < 20);  // the slowest
  }
  INFO(found << " of " << kTrials << ", pairs " << pairs / kTrials);
  CHECK(found >= kTrials * 95 / 100);
  CHECK(pairs / kTrials < 40 * 15);

  Halving ties{HalvingRules()};
  for (int i = 0; i < 3; ++i) ties.join();
  double almost[] = {0.904, 0.902, 0.9};
  while (auto turn = ties.next()) ties.took(turn->who, std::vector<double>(static_cast<size_t>(turn->pairs), almost[turn->who]));
  CHECK(ties.best() == size_t{0});
}

TEST_CASE("while others are to join there are first turns only; who fails is out") {
  Halving halving{HalvingRules()};
  CHECK_FALSE(halving.next());
  CHECK_FALSE(halving.best());
  halving.join(), halving.join();
  auto turn = halving.next(true);
  REQUIRE(turn);
  CHECK(turn->who == 0);
  CHECK(turn->pairs == HalvingRules().firstPairs);
  halving.leave(0);
  turn = halving.next(true);
  REQUIRE(turn);
  CHECK(turn->who == 1);
  halving.took(1, std::vector<double>(5, 0.7));
  CHECK_FALSE(halving.next(true));
  CHECK_FALSE(halving.next());
  CHECK(halving.best() == size_t{1});
}
