// tests/tuner/NoiseTest.cpp — when a machine counts as noisy and what is said of it: from given numbers, no clock.
#include "tuner/measure/Noise.h"

#include <catch2/catch.hpp>

using namespace quern;

namespace {

/// Ten quiet turns of 10 ms on a machine of two CPUs, then what `change` does to it; asked at `now`.
template <class Change>
std::string saidOf(Change&& change, const MachineLoad& now = {2000, 20, 1, 2}) {
  NoiseWatch watch(MachineLoad{1000, 20, 1, 2});
  for (int i = 0; i < 10; ++i) watch.turn(0.01, 0.01, 10'000);
  change(watch);
  return watch.noise(now).why();
}
std::string saidOf(const MachineLoad& now) {
  return saidOf([](NoiseWatch&) {}, now);
}

}  // namespace

TEST_CASE("a quiet machine is not noisy, nor is one of which nothing is known") {
  CHECK(saidOf({2000, 20, 1, 2}).empty());
  CHECK(NoiseWatch(MachineLoad()).noise(MachineLoad()).why().empty());
  CHECK_FALSE(NoiseWatch(MachineLoad()).noise(MachineLoad()).noisy());
}

TEST_CASE("a core that was shared is said, and one that was lost for a moment is not") {
  auto lost = [](double seconds) { return [seconds](NoiseWatch& watch) { watch.turn(0.1, 0.1 - seconds, 10'000); }; };
  CHECK(saidOf(lost(0.008)).empty());  // 4 % of 200 ms
  CHECK(saidOf(lost(0.012)) == "other programs took 6 % of the core");
  CHECK(saidOf(lost(0.1)) == "other programs took 50 % of the core");
  CHECK(saidOf(lost(-0.01)).empty());  // two clocks: more than there was
  // Too little to say anything.
  NoiseWatch brief(MachineLoad{});
  brief.turn(0.004, 0.001, 0);
  CHECK(brief.noise(MachineLoad()).why().empty());
}

TEST_CASE("time that the host gave to others is said") {
  CHECK(saidOf({2000, 40, 1, 2}).empty());  // 2 % of the thousand since then
  CHECK(saidOf({2000, 50, 1, 2}) == "the host gave 3 % of the time to others");
  CHECK(saidOf({1000, 20, 1, 2}).empty());  // no time went by
}

TEST_CASE("a clock that moves is said, single probes that were disturbed are not") {
  auto probes = [](double ns, int count) {
    return [=](NoiseWatch& watch) {
      for (int i = 0; i < count; ++i) watch.turn(0.01, 0.01, ns);
    };
  };
  CHECK(saidOf(probes(10'900, 10)).empty());
  CHECK(saidOf(probes(11'200, 10)) == "the clock's frequency moved by 12 %");
  // One in twenty at either end is left out, and turns without a probe say nothing.
  CHECK(saidOf([&](NoiseWatch& watch) { probes(10'000, 20)(watch), probes(90'000, 1)(watch); }).empty());
  CHECK(saidOf(probes(0, 10)).empty());
}

TEST_CASE("programs that were ready beside this one are said, a core") {
  CHECK(saidOf({2000, 20, 2, 2}).empty());
  CHECK(saidOf({2000, 20, 3, 2}) == "1.0 other programs a core were running");
  CHECK(saidOf({2000, 20, 3, 8}).empty());
}

TEST_CASE("what /proc holds is read, and what it does not hold is quiet") {
  MachineLoad load = parseMachineLoad("cpu  10 20 30 40 50 60 70 80 90 100\ncpu0 1 2 3 4 5 6 7 8 9 10\n", "0.42 0.30 0.20 3/150 4711\n", 4);
  CHECK(load.jiffies == 360);  // guests are in user's
  CHECK(load.stolen == 80);
  CHECK(load.ready == 3);
  CHECK(load.cpus == 4);
  for (const char* odd : {"", "\n", "cpu", "cpu a b c", "0.42 0.30"}) {
    INFO(odd);
    load = parseMachineLoad(odd, odd, 0);
    CHECK(load.stolen == 0);
    CHECK(load.ready == 1);
    CHECK(load.cpus == 1);
    CHECK(NoiseWatch(load).noise(load).why().empty());
  }
}
