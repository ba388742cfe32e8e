// tests/tuner/Trials.cpp — hidden, for figures: how often two copies of one kernel change places, and whether 5 % less work wins.
#include "tests/Support.h"
#include "tuner/check/TimingOperands.h"
#include "tuner/search/Duel.h"
#include "tuner/worker/TrialWorker.h"

#include <cstdlib>
#include <fmt/format.h>
#include <iostream>

using namespace quern;

namespace {

QuernKernel* gReal = nullptr;
constexpr int64_t kParts = 20;

/// All but the last twentieth of the tasks.
void nineteenTwentieths(const QuernArgs* args, int64_t begin, int64_t end) { gReal(args, begin, end - (end - begin) / kParts); }

struct Tally {
  int trials = 0, faster = 0, pairs = 0;
};

Tally trials(const std::string& given, bool planted, int count) {
  KernelLibrary library(hostTarget(), {});
  OpDesc desc = op(given);
  Schedule base = schedule("rows=1", desc, library.target());
  auto kernel = library.get(desc, base);
  REQUIRE(kernel);
  auto artifact = library.compile(desc, base);
  REQUIRE(artifact);
  auto bits = BitReference::make(*kernel, desc, {});
  REQUIRE(bits);
  TimingOperands operands(desc, {});
  TrialOptions options;
  if (planted)
    options.plant = [](const KernelRef& real) {
      gReal = real->entry;
      auto less = std::make_shared<CompiledKernel>(*real);
      less->entry = nineteenTwentieths;
      return KernelRef(less);
    };
  Tally tally;
  TrialWorker worker(*kernel, desc, {}, operands, *bits, options);
  for (int i = 0; i < count; ++i) {
    Duel duel{DuelRules()};
    while (int pairs = duel.wants()) {
      auto samples = worker.time(&*artifact, pairs, {});
      REQUIRE(samples);
      duel.took(ratiosOf(*samples));
    }
    ++tally.trials;
    tally.faster += duel.verdict() == Verdict::Faster;
    tally.pairs += duel.pairs();
  }
  return tally;
}

}  // namespace

TEST_CASE("real duels: two copies, and one with a twentieth less to do", "[.]") {
  const char* times = std::getenv("QUERN_TEST_CASES");
  int count = times == nullptr ? 20 : std::atoi(times);
  for (const char* given : {"softmax x=200x300", "layernorm x=40x2000"}) {
    Tally same = trials(given, false, count), less = trials(given, true, count * 2 / 5);
    std::cout << fmt::format("{}: {} of {} switches between two copies ({} pairs each), {} of {} wins of one 5 % faster ({} pairs each)\n",
                             given, same.faster, same.trials, same.pairs / same.trials, less.faster, less.trials, less.pairs / less.trials);
    CHECK(same.faster <= std::max(1, same.trials / 100));
    CHECK(less.faster >= less.trials * 95 / 100);
  }
}
