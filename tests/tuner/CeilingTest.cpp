// tests/tuner/CeilingTest.cpp — a time that the machine cannot have taken is an error of measurement, and decides nothing.
#include "tests/Support.h"
#include "tuner/Tuner.h"

using namespace quern;

namespace {

SearchSpace space() {
  auto read = readSearchSpace("default");
  REQUIRE(read);
  return *read;
}

/// A core of 100 GFLOP/s that reads 200 GB/s.
Ceilings core() {
  Ceilings made;
  made.fmaGflops = 100;
  made.readGBs[0] = 200;
  return made;
}

/// 2 * 64^3 operations: 5243 ns at least.
const char* const kProduct = "matmul m=64 n=64 k=64";
constexpr double kLeast = 2 * 64 * 64 * 64 / 100.0;

/// The default takes twice the least; the one candidate `ns(turn)` in its so manieth turn.
TuneOutcome tunedWith(const std::function<double(int)>& ns, const Ceilings& ceilings, int* turns, Journal* journal = nullptr) {
  KernelLibrary library(hostTarget(), {});
  WorkloadItem item{op(kProduct), {}, 1, CacheState::Hot, 1};
  TuneOptions options;
  options.core = ceilings;
  options.journal = journal;
  options.candidates = {*parseSchedule("mr=2 nr=8 lanes=4", item.op, library.target())};
  std::string base = text(defaultSchedule(item.op, library.target()));
  options.timePairs = [&, base](const std::string&, const std::string& challenger, int pairs) {
    auto count = static_cast<size_t>(pairs);
    if (challenger == base) return PairSamples{std::vector<double>(count, 2 * kLeast), std::vector<double>(count, 2 * kLeast)};
    PairSamples samples{std::vector<double>(count, 2 * kLeast), std::vector<double>(count, 1.5 * kLeast)};
    samples.b[count / 2] = ns(++*turns);
    return samples;
  };
  auto outcome = tuneOp(library, space(), item, options);
  REQUIRE(outcome);
  REQUIRE(outcome->candidates.size() == 1);
  return *outcome;
}

}  // namespace

TEST_CASE("an impossible time does not win, and its reason is stated") {
  int turns = 0;
  TuneOutcome outcome = tunedWith([](int) { return kLeast / 2; }, core(), &turns);
  CHECK(outcome.candidates[0].outcome == "failed: measured at 2.00 of the ceiling: an error of measurement");
  CHECK(outcome.schedule == text(defaultSchedule(op(kProduct), hostTarget())));
  CHECK(outcome.speedup == 1);
  CHECK(turns == 4);  // measured again three times
}

TEST_CASE("an impossible block that does not come again is thrown away") {
  int turns = 0;
  TuneOutcome outcome = tunedWith([](int turn) { return turn == 1 ? kLeast / 2 : 1.5 * kLeast; }, core(), &turns);
  CHECK(outcome.candidates[0].outcome == "won");
  CHECK(outcome.ratio.median == Approx(0.75));
  CHECK(outcome.ratio.low == Approx(0.75));  // nothing of it is in the samples
}

TEST_CASE("a winner whose last meeting fails is out, the journal says so, and the default stays") {
  int turns = 0;
  Journal journal;
  TuneOutcome outcome = tunedWith([](int turn) { return turn == 1 ? 1.5 * kLeast : kLeast / 2; }, core(), &turns, &journal);
  CHECK(turns == 5);
  CHECK(outcome.candidates[0].outcome.starts_with("failed: measured at 2.00 of the ceiling"));
  CHECK(outcome.candidates[0].ratio.median == 0);
  CHECK(outcome.schedule == text(defaultSchedule(op(kProduct), hostTarget())));
  CHECK(outcome.speedup == 1);
  CHECK(outcome.finished);
  int noted = 0;
  for (const JournalLine& line : journal.lines([](const TuneQuestion&) { return true; })) noted += line.outcome.starts_with("failed: ");
  CHECK(noted == 1);
}

TEST_CASE("a clock that drifts by less than is called noisy is no error; without ceilings nothing is") {
  int turns = 0;
  CHECK(tunedWith([](int) { return kLeast / 1.09; }, core(), &turns).candidates[0].outcome == "won");
  CHECK(tunedWith([](int) { return kLeast / 1.11; }, core(), &turns).candidates[0].outcome.starts_with("failed: measured at 1.11 of"));
  CHECK(tunedWith([](int) { return kLeast / 2; }, Ceilings(), &turns).candidates[0].outcome == "won");
}

TEST_CASE("the least time of a call is what no kernel can do without") {
  CHECK(leastNs(op(kProduct), Ceilings()) == 0);
  CHECK(leastNs(op(kProduct), core()) == Approx(kLeast));
  // Three loads a cycle where the probe adds twice: 300 GB/s. What is written is not added: stores go beside loads.
  CHECK(leastNs(op("add a=75000 b=75000"), core()) == Approx(2 * 4 * 75000 / 300.0));
  CHECK(leastNs(op("relu x=75000"), core()) == Approx(4 * 75000 / 300.0));
  // Of a product the epilogue does not count.
  CHECK(leastNs(op("matmul m=64 n=64 k=64 ep=gelu_tanh"), core()) == Approx(kLeast));
  // Causal: only the pairs that are seen; what a softmax does not look at is not read.
  CHECK(leastNs(op("attention heads=1 kv_heads=1 head_dim=64 q=128 kv=128 causal=1"), core()) == Approx(4 * 64 * 128 * 129 / 2 / 100.0));
  // Products of bf16 may be two in an instruction: only what is written counts.
  OpDesc rounded = op("attention heads=1 kv_heads=1 head_dim=64 q=128 kv=128 causal=1 kv_type=bf16 a=bf16 order=pairs");
  CHECK(leastNs(rounded, core()) == Approx(4 * 64 * 128 / 300.0));
  CHECK(leastNs(op("softmax x=100x100 causal=1"), core()) == Approx(4 * 10000 / 300.0));
}

TEST_CASE("a core's ceilings are measured, and a block is held against them") {
  Ceilings here = measureCore(hostTarget());
  CHECK(here.fmaGflops > 1);
  CHECK(here.readGBs[0] > 1);
  PairSamples samples;
  samples.a = {10, 20}, samples.b = {5, 40};
  CHECK(shareOfCeiling(samples, 4) == Approx(0.8));
  CHECK(shareOfCeiling(samples, 0) == 0);
}
