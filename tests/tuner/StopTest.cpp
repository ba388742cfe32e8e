// tests/tuner/StopTest.cpp — whatever takes long ends soon when it is asked to: the reference, kernels, packing, compiling, timing.
#include "compiler/jit/CompileApart.h"
#include "compiler/loops/Lower.h"
#include "tests/Support.h"
#include "tuner/check/TimingOperands.h"
#include "tuner/check/BitReference.h"
#include "tuner/measure/Ceilings.h"
#include "tuner/measure/Timing.h"

#include <cerrno>
#include <cmath>
#include <fmt/format.h>
#include <set>
#include <sys/wait.h>

using namespace quern;

namespace {

/// Much longer than anything here takes on a machine that others use too, much shorter than without stopping.
constexpr double kSoon = 5;

std::string sumOfGelus(int terms) {
  std::string expr;
  for (int i = 1; i <= terms; ++i) expr += fmt::format("{}gelu_erf(a)*{}", i > 1 ? "+" : "", i);
  return expr;
}

}  // namespace

TEST_CASE("a sample has both ends, something of every stretch between, and no step of a tile") {
  for (int64_t count : {5, 64, 100, 2048, 1000003})
    for (int64_t most : {4, 24, 97}) {
      std::vector<int64_t> rows = sampleOf(count, most);
      INFO(count << " " << most);
      CHECK(static_cast<int64_t>(rows.size()) <= most);
      CHECK(rows.front() == 0);
      CHECK(rows.back() == count - 1);
      for (size_t i = 1; i < rows.size(); ++i) {
        CHECK(rows[i] > rows[i - 1]);
        CHECK(rows[i] - rows[i - 1] <= std::max<int64_t>(1, 4 * count / most));
      }
    }
  std::set<int64_t> inTile;
  for (int64_t row : sampleOf(4096, 64)) inTile.insert(row % 8);
  CHECK(inTile.size() == 8);
  CHECK(sampleOf(10, 24).size() == 10);
  CHECK(sampleOf(0, 24).empty());
}

TEST_CASE("a sampled reference is the whole one where it looks, and says nothing elsewhere") {
  for (const char* given :
       {"matmul batch=3 m=70 n=90 k=40 ep=bias", "softmax x=100x30", "reduce x=100x30 axis=1 f=sum", "layernorm x=100x30",
        "attention heads=4 head_dim=8 q=30 kv=30 causal=1", "transpose x=60x70", "gelu x=5000", "rmsnorm x=100x30"}) {
    OpDesc desc = op(given);
    CheckInputs inputs = makeInputs(desc, InputData::ZeroMean, 3);
    ReferenceResult whole = reference(desc, inputs.tensors, DataKind::ZeroMean);
    ReferenceResult part = reference(desc, inputs.tensors, DataKind::ZeroMean, {8000, {}});
    REQUIRE(part.value.size() == whole.value.size());
    size_t seen = 0;
    for (size_t i = 0; i < whole.value.size(); ++i) {
      CHECK_FALSE(std::isnan(whole.limit[i]));
      if (std::isnan(part.limit[i])) continue;
      ++seen;
      if (part.value[i] != whole.value[i] || part.limit[i] != whole.limit[i]) CHECK(part.value[i] == whole.value[i]);
    }
    INFO(given << ": " << seen << " of " << whole.value.size());
    CHECK(seen > 0);
    CHECK(seen < whole.value.size() / 2);
    CHECK_FALSE(std::isnan(part.limit.front()));
    CHECK_FALSE(std::isnan(part.limit.back()));
  }
}

TEST_CASE("verifying a large product is done in seconds, and ends when it is asked to") {
  KernelLibrary library(hostTarget(), {});
  OpDesc desc = op("matmul m=1500 n=1500 k=1500");
  auto kernel = library.get(desc, defaultSchedule(desc, library.target()));
  REQUIRE(kernel);
  for (double seconds : {0.0, 0.05, 0.2}) {
    double start = nowSeconds();
    auto bits = BitReference::make(*kernel, desc, {}, Stop().within(seconds));
    INFO(seconds);
    CHECK(nowSeconds() - start < kSoon);
    if (!bits) CHECK(bits.error().code == kStopped);
    if (seconds == 0) CHECK_FALSE(bits);
  }
  TimingOperands operands(desc, {});
  auto call = operands.bind(*kernel);
  REQUIRE(call);
  double start = nowSeconds();
  TaskRunner pieces = inPieces(Stop().within(0.02));
  for (int i = 0; i < 20; ++i) call->run(pieces);
  CHECK(nowSeconds() - start < kSoon);
  timeCall([&] { call->run(pieces); }, 60, Stop().within(0.02));
  timePair([&] { call->run(pieces); }, [&] { call->run(pieces); }, 60, 1e9, {}, Stop().within(0.02));
  CHECK(nowSeconds() - start < kSoon);
}

TEST_CASE("compiling ends when it is asked to, and leaves no process behind") {
  KernelLibrary library(hostTarget(), {});
  OpDesc desc = op(fmt::format("map expr='{}' a=1000", sumOfGelus(240)));
  int asked = 0;
  Stop::Clock clock = [&asked] { return ++asked > 4 ? 100.0 : 0.0; };  // time is over once the child is at work
  double start = nowSeconds();
  auto kernel = library.get(desc, defaultSchedule(desc, library.target()), Stop(nullptr, &clock).within(50));
  REQUIRE_FALSE(kernel);
  CHECK(kernel.error().code == kStopped);
  CHECK(nowSeconds() - start < kSoon);
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

TEST_CASE("what is compiled in a process of its own is what is compiled here") {
  auto api = codegenModule();
  REQUIRE(api);
  OpDesc desc = op(fmt::format("map expr='{}' a=1000", sumOfGelus(200)));
  auto program = lower(desc, defaultSchedule(desc, hostTarget()), hostTarget());
  REQUIRE(program);
  CHECK(weightOf(*program) > kHeavyProgram);
  auto here = emitObject(**api, *program, kKernelSymbol, {}), apart = emitObject(**api, *program, kKernelSymbol, Stop().within(1000));
  REQUIRE(here);
  REQUIRE(apart);
  CHECK(*here == *apart);
}

TEST_CASE("ceilings are ordered, and few bytes are enough for them") {
  Ceilings ceilings = measureCeilings(hostTarget(), 0.3);
  CHECK(ceilings.fmaGflops > 0);
  for (size_t level = 0; level + 1 < Ceilings::kLevels; ++level) {
    CHECK(ceilings.readGBs[level] >= ceilings.readGBs[level + 1]);
    CHECK(ceilings.copyGBs[level] >= ceilings.copyGBs[level + 1]);
  }
  CHECK(ceilings.readGBs[3] > 0);
  CHECK(ceilings.coreShare > 0);
  CHECK(ceilings.coreShare <= 1);
  // Sizes that a description claims are no sizes of memory.
  Target wild = hostTarget();
  wild.l1Bytes = wild.l2Bytes = wild.l3Bytes = int64_t{1} << 40;
  CHECK(measureCeilings(wild, 0.1).readGBs[0] > 0);
  wild.l1Bytes = wild.l2Bytes = wild.l3Bytes = 1024;
  CHECK(measureCeilings(wild, 0.1).readGBs[0] > 0);
}
