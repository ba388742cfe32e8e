// tests/unit/PlanTest.cpp — what plans do without a kernel: rings say what they keep, and rows are routed to experts.
#include "runtime/PlanSession.h"
#include "tests/Support.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

using namespace quern;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();

std::shared_ptr<const Plan> finished(PlanBuilder& builder) {
  auto plan = builder.finish([](const OpDesc& op) -> Result<KernelSet> { return badInput(text(op)); });
  REQUIRE(plan);
  return *plan;
}

struct Routed {
  std::vector<int32_t> order, places;
  std::vector<float> weights;
};

/// Rows of scores, `experts` in each, through a plan of nothing else.
Routed routed(std::vector<float> scores, int64_t experts, int64_t used, bool normalised) {
  int64_t rows = static_cast<int64_t>(scores.size()) / experts;
  PlanBuilder builder;
  PlanDim dim = builder.dimension("rows", 1000);
  builder.route({"route",
                 {builder.outside(0), 0, {experts}, experts},
                 dim,
                 experts,
                 used,
                 normalised,
                 builder.outside(1),
                 builder.outside(2),
                 builder.outside(3),
                 builder.groups(experts)});
  auto session = PlanSession::make(finished(builder), 1);
  REQUIRE(session);
  auto slots = static_cast<size_t>(rows * used);
  Routed out{std::vector<int32_t>(slots, -1), std::vector<int32_t>(slots, -1), std::vector<float>(slots, -1)};
  (*session)->run(std::array{rows}, {scores.data(), out.order.data(), out.places.data(), out.weights.data()});
  return out;
}

}  // namespace

TEST_CASE("a ring says which of its rows are kept, lost, given, and what a row reads of it") {
  PlanBuilder builder;
  PlanDim positions = builder.dimension("positions", 1000);
  builder.ring(1024, positions, ElementType::F32, 20, 16);  // rows of a page each: 20 + 16 + 63 of them
  builder.persistent(8, positions);
  builder.ring(1024, positions, ElementType::F32, 30, 6);  // as many
  auto plan = finished(builder);
  constexpr int64_t kPage = 4096, kRows = 99;
  CHECK(plan->memory().persistentBytes == 2 * kRows * kPage + 1000 * 8 * 4);
  CHECK((plan->lost(0) == 0 && plan->lost(kRows) == 0 && plan->lost(kRows + 1) == 1 && plan->lost(500) == 401));
  CHECK((plan->notGiven(20) == 0 && plan->notGiven(21) == 1 && plan->notGiven(500) == 480));
  // A run at position p reads from p + 1 - 30 on, or from p + 1 - 20.
  CHECK((plan->keeps(0, 400) && plan->keeps(429, 400) && plan->keeps(500, 400) && !plan->keeps(428, 400) && !plan->keeps(1, 400)));
  CHECK((plan->keeps(30, 1) && plan->keeps(1, 0) && !plan->keeps(29, 1)));
  CHECK(plan->goesBack() == kRows - 30 + 1);
  CHECK((plan->persistentBytesRead(10) == 10 * (2 * kPage + 32) && plan->persistentBytesRead(25) == (20 + 25) * kPage + 25 * 32));
  CHECK(plan->persistentBytesRead(400) == (20 + 30) * kPage + 400 * 32);
  auto session = PlanSession::make(plan, 1);
  REQUIRE(session);
  auto rows = [&](int64_t count) { return (*session)->persistentRows(0, count); };
  auto begin = [&](int64_t count) { return (rows(count).data() - rows(20).data()) / kPage; };
  CHECK((rows(7).size() == 7 * kPage && rows(20).size() == 20 * kPage && rows(500).size() == 20 * kPage));
  CHECK((begin(7) == 0 && begin(21) == 1 && begin(118) == 98 && begin(119) == 0 && begin(500) == 480 % kRows));
  // What is written behind the end is what lies at the beginning.
  rows(118).last(kPage)[0] = std::byte{7};
  CHECK(rows(20).subspan(18 * kPage)[0] == std::byte{7});
  CHECK((*session)->persistentRows(1, 500).size() == 500 * 32);
}

TEST_CASE("rows go to the experts with the highest scores, of equal ones to the first, and stay in order in each") {
  std::mt19937 random(3);
  for (auto [experts, used] : {std::pair<int64_t, int64_t>{5, 2}, {8, 8}, {3, 1}, {40, 6}})
    for (bool normalised : {true, false}) {
      INFO(used << " of " << experts << (normalised ? ", normalised" : ""));
      constexpr int64_t kRows = 60;
      std::vector<float> scores;
      for (int64_t i = 0; i < kRows * experts; ++i)
        scores.push_back(static_cast<float>(random() % 7) - 3 + (i < 300 ? 0 : 100));  // many alike
      Routed got = routed(scores, experts, used, normalised);
      std::vector<std::pair<int64_t, int64_t>> slots;  // expert and slot: the order of groups
      for (int64_t row = 0; row < kRows; ++row) {
        const float* own = scores.data() + row * experts;
        std::vector<int64_t> by(static_cast<size_t>(experts));
        for (int64_t i = 0; i < experts; ++i) by[static_cast<size_t>(i)] = i;
        std::stable_sort(by.begin(), by.end(), [&](int64_t a, int64_t b) { return own[a] > own[b]; });
        double sum = 0;
        for (int64_t i = 0; i < (normalised ? used : experts); ++i)
          sum += std::exp(double{own[by[static_cast<size_t>(i)]]} - double{own[by[0]]});
        for (int64_t j = 0; j < used; ++j) {
          int64_t expert = by[static_cast<size_t>(j)];
          slots.emplace_back(expert, row * used + j);
          CHECK(std::fabs(double{got.weights[static_cast<size_t>(row * used + j)]} -
                          std::exp(double{own[expert]} - double{own[by[0]]}) / sum) < 1e-7);
        }
      }
      std::sort(slots.begin(), slots.end());
      bool good = true;
      for (size_t place = 0; place < slots.size(); ++place) {
        auto slot = static_cast<size_t>(slots[place].second);
        good = good && got.order[place] == slots[place].second / used && got.places[slot] == static_cast<int32_t>(place);
      }
      CHECK(good);
    }
}

TEST_CASE("a score that is NaN counts as the lowest, and says so in its weight") {
  Routed got = routed({kNan, 1, 2, kNan, -5, kNan, kNan, -kInf}, 4, 2, true);
  CHECK(got.order == std::vector<int32_t>{1, 0, 1, 0});  // of expert 0 row 1, of 1 both, of 2 row 0
  CHECK((got.weights[0] > 0.7f && std::fabs(got.weights[0] + got.weights[1] - 1) < 1e-6f));
  CHECK((std::isnan(got.weights[2]) && std::isnan(got.weights[3])));
}
