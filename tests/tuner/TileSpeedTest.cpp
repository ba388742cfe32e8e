// tests/tuner/TileSpeedTest.cpp — what is timed while a matrix unit changes its speed: pairs across a change do not count, figures are
// told apart by speed. The unit and its clock are made up; the one of this host, where there is one, is held against them.
#include "compiler/target/HostTarget.h"
#include "tests/Support.h"
#include "tuner/measure/Ceilings.h"
#include "tuner/measure/Probes.h"
#include "tuner/measure/Timing.h"

#include <algorithm>

using namespace quern;

namespace {

/// A unit whose products take `ns` each, as seen by the clock that it moves.
struct MadeUpUnit {
  double now = 0, ns = 6.5;

  TileSpeed watch() {
    return TileSpeed(
        [this](int64_t rounds) {
          now += static_cast<double>(rounds * 6) * ns * 1e-9;
          return static_cast<double>(rounds * 6);
        },
        [this] { return now; });
  }
};

}  // namespace

TEST_CASE("a matrix unit's two speeds are told apart, and its drift is not one") {
  MadeUpUnit unit;
  TileSpeed speed = unit.watch();
  double fast = speed.probe();
  CHECK(fast == Approx(1 / 6.5));
  unit.ns = 7;
  double drifted = speed.probe();
  CHECK(TileSpeed::alike({fast, drifted}));
  CHECK(speed.modeOf(drifted) == TileSpeed::Mode::Fast);
  unit.ns = 14;
  double slow = speed.probe();
  CHECK_FALSE(TileSpeed::alike({fast, slow}));
  CHECK_FALSE(TileSpeed::alike({slow, fast, fast}));
  CHECK(TileSpeed::alike({slow, 1 / 18.0}));
  CHECK(speed.modeOf(slow) == TileSpeed::Mode::Slow);
  CHECK_FALSE(TileSpeed().watches());
  CHECK(TileSpeed::alike({}));
}

TEST_CASE("pairs across a change of speed are taken again") {
  MadeUpUnit unit;
  TileSpeed speed = unit.watch();
  int calls = 0;
  // The third and the seventh block end at another speed than they began at.
  auto call = [&] {
    ++calls;
    if (calls == 3 || calls == 7) unit.ns = unit.ns < 10 ? 14 : 6.5;
  };
  PairSamples samples = samplePairs(call, 1, call, 1, 4, &speed);
  CHECK(samples.a.size() == 4);
  CHECK(samples.b.size() == 4);
  CHECK(calls == 12);  // two pairs more
  // One that changes in every block does not keep it: three tries a pair.
  calls = 0;
  auto restless = [&] { ++calls, unit.ns = unit.ns < 10 ? 14 : 6.5; };
  CHECK(samplePairs(restless, 1, restless, 1, 4, &speed).a.size() == 4);
  CHECK(calls > 16);
  CHECK(calls <= 2 * 3 * 4);
  calls = 0;
  CHECK(samplePairs(restless, 1, restless, 1, 4).a.size() == 4);
  CHECK(calls == 8);
}

TEST_CASE("what was timed is given by speed, the one with most blocks first") {
  MadeUpUnit unit;
  TileSpeed speed = unit.watch();
  int calls = 0;
  auto spend = [&](double seconds) {
    for (double until = nowSeconds() + seconds; nowSeconds() < until;) {
    }
  };
  // Every block is one call of 0.3 ms; fast first, then slow for good, when a takes 0.9 ms.
  auto a = [&] { spend(++calls > 15 ? 0.9e-3 : 0.3e-3), unit.ns = calls > 15 ? 14 : 6.5; };
  auto b = [&] { spend(0.3e-3); };
  PairTiming timing = timePair(a, b, 0.2, 1e9, {}, {}, &speed);
  REQUIRE(timing.atSpeeds.size() == 2);
  CHECK(timing.atSpeeds[0].mode == TileSpeed::Mode::Slow);
  CHECK(timing.atSpeeds[0].blocks > timing.atSpeeds[1].blocks);
  CHECK(timing.ratio.median == timing.atSpeeds[0].ratio.median);
  CHECK(timing.atSpeeds[0].ratio.median < 0.6);
  CHECK(timing.atSpeeds[1].ratio.median > 0.6);
  CHECK(timing.a.median == timing.atSpeeds[0].a.median);
  CHECK(timePair(b, b, 0.01).atSpeeds.empty());
  std::vector<AtSpeed> atSpeeds;
  unit.ns = 6.5;
  Spread alone = timeCall(b, 0.01, {}, &speed, &atSpeeds);
  REQUIRE(atSpeeds.size() == 1);
  CHECK(atSpeeds[0].mode == TileSpeed::Mode::Fast);
  CHECK(alone.median == atSpeeds[0].a.median);
}

TEST_CASE("each speed has its ceiling") {
  Ceilings ceilings;
  ceilings.fmaGflops = 100, ceilings.tileGflops = 2000, ceilings.tileGops = 4000, ceilings.slowTiles = 0.4;
  ceilings.readGBs = ceilings.copyGBs = {1e6, 1e6, 1e6, 1e6};
  CHECK(ceilings.withSlowTiles().tileGflops == Approx(800));
  CHECK(ceilings.withSlowTiles().tileGops == Approx(1600));
  CHECK(ceilings.withSlowTiles().fmaGflops == 100);
  OpDesc op = *parseOp("matmul m=64 n=64 k=64 tb=1 const=b w=bf16 a=bf16");
  CHECK(multipliesTiles(op));
  CHECK(multipliesTiles(*parseOp("matmul m=64 n=64 k=64 tb=1 const=b w=i8 a=i8")));
  CHECK_FALSE(multipliesTiles(*parseOp("matmul m=64 n=64 k=64 tb=1 const=b w=bf16 a=bf16 order=pairs")));
  CHECK_FALSE(multipliesTiles(*parseOp("matmul m=64 n=64 k=64 tb=1 const=b w=q8_0 a=q8")));
  double fast = arithmeticNs(op, ceilings);
  CHECK(fast == Approx(2.0 * 64 * 64 * 64 / 2000));
  CHECK(arithmeticNs(op, ceilings.withSlowTiles()) == Approx(fast / 0.4));
  CHECK(rooflineNs(op, ceilings) == Approx(fast));
  Ceilings again = ceilings;
  again.tileGflops = 4000, again.slowTiles = 0;
  raiseTo(ceilings, again);
  CHECK(ceilings.tileGflops == 4000);
  CHECK(ceilings.slowTiles == Approx(0.2));
}

TEST_CASE("this host's matrix unit is measured where it has one") {
  Probe probe = probeOf(hostTarget());
  TileSpeed speed = TileSpeed::of(hostTarget());
  CHECK(speed.watches() == (probe.tiles != nullptr));
  if (!speed.watches()) {
    WARN("skipped: this CPU has no matrix unit");
    return;
  }
  // Faster than vectors of 512 bits are at two multiply-adds a cycle of 6 GHz; at most what 16 cycles of it give.
  double rate = speed.probe();
  CHECK(rate > 2 * 32 * 6);
  CHECK(rate < 6 * 16384 / 16.0);
}
