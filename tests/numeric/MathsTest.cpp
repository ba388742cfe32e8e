// tests/numeric/MathsTest.cpp — the maths functions against their declared bounds, with and without fma: every 4099th float by
// default, all 2^32 with QUERN_TEST_STRIDE=1 (under --deep). What they are held against has its own test: TruthTest.
#include "compiler/Activations.h"
#include "compiler/base/Text.h"
#include "compiler/loops/maths/MathFunctions.h"
#include "tests/numeric/FloatKernels.h"
#include "tuner/check/Exhaustive.h"

#include <bit>
#include <cstdlib>
#include <iostream>

using namespace quern;

namespace {

constexpr uint32_t kStride = 4099;

uint32_t strideAsked() {
  const char* given = std::getenv("QUERN_TEST_STRIDE");
  int stride = given == nullptr ? static_cast<int>(kStride) : std::atoi(given);
  REQUIRE(stride >= 1);
  return static_cast<uint32_t>(stride);
}

/// What its file declares; nothing for functions of one instruction, which round once.
double declaredUlp(const ExhaustiveReport& report) {
  const IsaLevel& isa = *findIsaLevel(report.level);
#define QUERN_FN(Name)                                                     \
  if (const auto& info = maths::Name::kInfo; info.name == report.function) \
    return isa.tableLookup ? info.own.lookups : report.fma ? info.own.fma : info.own.plain;
  QUERN_ACTIVATIONS(QUERN_FN)
#undef QUERN_FN
  return 0;
}

/// A row for each level, printed when the function is done.
void checkOnEveryLevel(const FloatTruth& truth, const std::vector<KernelSet>& kernels, uint64_t floats) {
  REQUIRE(!kernels.empty());
  auto reports = checkEveryFloat(truth, kernels, strideAsked());
  REQUIRE(reports);
  REQUIRE(reports->size() == kernels.size());
  for (const ExhaustiveReport& report : *reports) {
    std::cout << text(report) << std::flush;
    INFO(text(report));
    CHECK(report.passed());
    CHECK(report.worstUlp <= declaredUlp(report));
    CHECK(report.floats >= floats / strideAsked());
  }
}

ExhaustiveReport reportOf(const FloatTruth& truth, const KernelSet& kernel) {
  auto reports = checkEveryFloat(truth, std::vector<KernelSet>{kernel}, kStride);
  REQUIRE(reports);
  return reports->at(0);
}

}  // namespace

TEST_CASE("maths functions keep their bounds") {
  std::cout << exhaustiveHeader();
  std::vector<std::unique_ptr<KernelLibrary>> libraries;
  for (const Target& target : runnableLevels()) libraries.push_back(std::make_unique<KernelLibrary>(target, std::vector<std::string>{}));
  for (const ScalarFnInfo& fn : scalarFns()) {
    if (fn.arity != 1) continue;
    OpDesc desc = op("map expr=" + std::string(fn.name) + "(x) x=*");
    auto truth = truthOf(desc);
    REQUIRE(truth);
    std::vector<KernelSet> kernels;
    for (const auto& library : libraries) {
      auto kernel = library->get(desc, defaultSchedule(desc, library->target()));
      REQUIRE(kernel);
      kernels.push_back(*kernel);
    }
    checkOnEveryLevel(*truth, kernels, uint64_t{1} << 32);
  }
}

TEST_CASE("decay keeps its bound for every x <= 0") {
  std::vector<KernelSet> kernels;
  for (const Target& target : runnableLevels()) kernels.push_back(floatKernel("decay(v)", target));
  checkOnEveryLevel(truthOfDecay(), kernels, uint64_t{1} << 31);
}

TEST_CASE("a function that is wrong somewhere is found") {
  for (const Target& target : runnableLevels()) {
    auto fails = [&](const FloatTruth& truth, const std::string& expression) {
      ExhaustiveReport report = reportOf(truth, floatKernel(expression, target));
      INFO(target.level << ' ' << expression << ": " << text(report));
      CHECK_FALSE(report.passed());
      return report;
    };
    fails(truthOf(ScalarFn::Exp), "(exp(v) * 1.0000004fx@)");                                 // 3 ulp more
    fails(truthOf(ScalarFn::Exp), "select((88.5fx@ < v), inffx@, exp(v))");                   // overflows too early
    fails(truthOf(ScalarFn::Exp), "min(exp(v), 3.4028235e38fx@)");                            // never overflows
    fails(truthOf(ScalarFn::Exp), "select((v == v), exp(v), 1fx@)");                          // loses NaN
    fails(truthOf(ScalarFn::Log), "select((v < 0fx@), 0fx@, log(v))");                        // invents a number
    fails(truthOf(ScalarFn::Tanh), "select((abs(v) < 1.17549435e-38fx@), exp(v), tanh(v))");  // denormals
    fails(truthOf(ScalarFn::Sqrt), "(v * rsqrt(v))");                                         // not rounded once
    fails(truthOf(ScalarFn::Abs), "relu(v)");
    fails(truthOf(ScalarFn::GeluErf), "gelu_tanh(v)");
    fails(truthOfDecay(), "select((v < -87fx@), 0fx@, decay(v))");  // more than 2^-126 lost
    // One float of all those visited: found, and named.
    float place = std::bit_cast<float>(kStride * 259000u);
    ExhaustiveReport report = fails(truthOf(ScalarFn::Exp), fmt::format("select((v == {}fx@), 7fx@, exp(v))", shortest(place)));
    CHECK(report.worstAt == place);
    CHECK(report.got == 7);
    CHECK(report.floats == ((uint64_t{1} << 32) + kStride - 1) / kStride);
  }
}

TEST_CASE("kernels checked together are judged one by one") {
  Target target = runnableLevels().at(0);
  std::vector<KernelSet> kernels;
  for (const char* expression : {"exp(v)", "(exp(v) * 1.0000004fx@)", "exp(v)"}) kernels.push_back(floatKernel(expression, target));
  auto reports = checkEveryFloat(truthOf(ScalarFn::Exp), kernels, kStride);
  REQUIRE(reports);
  CHECK(reports->at(0).passed());
  CHECK_FALSE(reports->at(1).passed());
  CHECK(text(reports->at(2)) == text(reports->at(0)));
}

TEST_CASE("a run that is stopped proves nothing") {
  std::vector<KernelSet> kernels = {floatKernel("exp(v)", runnableLevels().at(0))};
  auto reports = checkEveryFloat(truthOf(ScalarFn::Exp), kernels, 1, [](double) { return false; });
  REQUIRE(reports);
  CHECK(reports->at(0).stopped);
  CHECK_FALSE(reports->at(0).passed());
}

TEST_CASE("what is not a function of one argument is refused") {
  CHECK_FALSE(truthOf(op("add a=* b=*")));
  CHECK_FALSE(truthOf(op("map expr=\"exp(exp(x))\" x=*")));
  CHECK_FALSE(truthOf(op("softmax x=3x4")));
}
