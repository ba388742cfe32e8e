// tests/numeric/RowOrderTest.cpp — softmax, reductions, norms and maps give the same bits for any schedule, any number of threads,
// compiled-in or run-time sizes, rows that fit in registers, in cache, or are split over tasks.
#include "tests/numeric/KernelRuns.h"
#include "tuner/SearchSpace.h"

#include <iostream>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 5;

struct Case {
  const char* op;
  DimValues dims;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"softmax x=*x*", {{"d0", 5}, {"d1", 100}}},
      {"softmax x=*x*", {{"d0", 3}, {"d1", 5000}}},
      {"softmax x=*x* scale=0.3", {{"d0", 2}, {"d1", 65536}}},
      {"softmax x=*x* scale=0.3", {{"d0", 2}, {"d1", 65537}}},
      {"softmax x=*x*", {{"d0", 1}, {"d1", 200003}}},
      {"softmax x=*x* causal=1", {{"d0", 9}, {"d1", 130}}},
      {"softmax x=*x*x* axis=1", {{"d0", 2}, {"d1", 37}, {"d2", 700}}},
      {"reduce x=*x* axis=1 f=sum", {{"d0", 23}, {"d1", 777}}},
      {"reduce x=*x* axis=1 f=max", {{"d0", 7}, {"d1", 33}}},
      {"reduce x=*x*x* axis=1 f=mean", {{"d0", 3}, {"d1", 45}, {"d2", 1030}}},
      {"layernorm x=*x770", {{"d0", 11}}},
      {"layernorm x=*x97 residual=1", {{"d0", 11}}},
      {"rmsnorm x=*x768", {{"d0", 5}}},
      {"map expr=\"gelu_erf(x + bias) + residual\" x=*x* bias=* residual=*x*", {{"d0", 13}, {"d1", 777}}},
      {"map expr=\"silu(x) * y\" x=*x* y=*x* inplace=x", {{"d0", 13}, {"d1", 131}}},
  };
  return all;
}

}  // namespace

TEST_CASE("rows have the same bits for any schedule, size form and thread count") {
  auto space = readSearchSpace("default");
  REQUIRE(space);
  ThreadPool two(2), three(3);
  TaskRunner onTwo = runnerOf(two), onThree = runnerOf(three);
  int64_t compared = 0;
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    for (const Case& one : cases()) {
      OpDesc desc = op(one.op), known = fixed(desc, one.dims);
      CheckInputs inputs = makeInputs(known, InputData::ZeroMean, kSeed);
      auto expected = runKernel(kernelOf(library, desc), inputs, one.dims, {});
      REQUIRE(expected);
      auto same = [&](const KernelSet& kernel, const DimValues& dims, const TaskRunner* runner, const std::string& what) {
        auto got = runKernel(kernel, inputs, dims, {}, runner);
        REQUIRE(got);
        INFO(one.op << " on " << level.level << ", " << what);
        CHECK(differing(*expected, *got) == "");
        ++compared;
      };
      same(kernelOf(library, desc), one.dims, &onTwo, "two threads");
      same(kernelOf(library, desc), one.dims, &onThree, "three threads");
      same(kernelOf(library, known), {}, nullptr, "compiled-in sizes");
      std::vector<Candidate> candidates = candidatesOf(*space, desc, one.dims, level);
      for (size_t i = 1; i < candidates.size(); i += 1 + candidates.size() / 6) {
        auto kernel = library.get(desc, candidates[i].schedule);
        REQUIRE(kernel);
        same(*kernel, one.dims, &onTwo, text(candidates[i].schedule));
      }
    }
  }
  std::cout << compared << " runs compared, seed " << kSeed << "\n";
  CHECK(compared > 200);
}

TEST_CASE("a long row with special values") {
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    KernelSet kernel = kernelOf(library, op("softmax x=*x*"));
    constexpr int64_t kColumns = 70001;
    DimValues dims = {{"d0", 3}, {"d1", kColumns}};
    CheckInputs inputs = makeInputs(fixed(op("softmax x=*x*"), dims), InputData::ZeroMean, kSeed);
    float* x = inputs.arrays[0].f32();
    std::fill_n(x, kColumns, -INFINITY);  // a whole block without a number, then two numbers
    x[40000] = 1.0f;
    x[69999] = 1.0f;
    x[kColumns + 20000] = NAN;
    auto out = runKernel(kernel, inputs, dims, {});
    REQUIRE(out);
    INFO(level.level);
    CHECK((*out)[40000] == 0.5f);
    CHECK((*out)[69999] == 0.5f);
    CHECK((*out)[0] == 0.0f);
    CHECK(std::isnan((*out)[kColumns]));
    CHECK(std::isnan((*out)[2 * kColumns - 1]));
    CHECK(std::isfinite((*out)[2 * kColumns]));
    std::fill_n(x, kColumns, -INFINITY);
    out = runKernel(kernel, inputs, dims, {});
    REQUIRE(out);
    CHECK(std::isnan((*out)[0]));  // 0 / 0, as the formula has it
  }
}
