// tests/numeric/MatmulLadderTest.cpp — every form of matmul x the size ladder x drawn schedules x every ISA level of the
// host: whole numbers exact to the last bit, real data within the limits. 500 cases, or QUERN_TEST_CASES (--deep).
#include "tests/numeric/MatmulLadder.h"

#include <algorithm>
#include <iostream>
#include <set>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 1;

const std::vector<std::string> kForms = {
    "matmul m=* n=* k=*",
    "matmul m=* n=* k=* ta=1",
    "matmul m=* n=* k=* tb=1",
    "matmul m=* n=* k=* ta=1 tb=1",
    "matmul m=* n=* k=* acc=1",
    "matmul m=* n=* k=* acc=1 ep=bias",
    "matmul m=* n=* k=* ep=bias+residual",
    "matmul m=* n=* k=* ta=1 ep=relu+residual",
    "matmul m=* n=* k=* batch=*",
    "matmul m=* n=* k=* batch=3 tb=1 acc=1",
};

/// The run-time dimensions of `desc` among drawn sizes.
DimValues dimsOf(const OpDesc& desc, const DimValues& sizes) {
  DimValues dims;
  for (const std::string& name : runtimeDims(desc)) dims[name] = sizes.at(name);
  return dims;
}

SearchSpace space() {
  auto read = readSearchSpace("default");
  REQUIRE(read);
  return *read;
}

const DimValues kSample = {{"m", 200}, {"n", 200}, {"k", 200}, {"batch", 2}};

/// The whole-number ladder on kernels whose sizes are all dynamic, each compiled once.
void exactLadder(int64_t asked) {
  SearchSpace all = space();
  std::vector<Target> levels = runnableLevels();
  auto schedules = static_cast<size_t>(std::clamp<int64_t>(asked / 200, 2, 20));
  int64_t kernels = static_cast<int64_t>(levels.size() * kForms.size() * schedules), cases = 0, full = 0;
  auto perKernel = static_cast<size_t>((asked + kernels - 1) / kernels);
  SizeDraw sizes(kSeed, 3e7);
  std::set<int64_t> seen[3];
  for (const Target& level : levels) {
    KernelLibrary library(level, {});
    std::mt19937_64 random(kSeed);
    for (const std::string& form : kForms) {
      OpDesc desc = op(form);
      std::vector<Schedule> drawn = drawSchedules(all, desc, kSample, level, schedules, random);
      REQUIRE(drawn.size() == schedules);
      for (const Schedule& chosen : drawn) {
        LadderKernel kernel = compiled(library, desc, chosen);
        for (size_t i = 0; i < perKernel; ++i, ++cases) {
          DimValues drawnSizes = sizes.next(chosen), dims = dimsOf(desc, drawnSizes);
          CheckRun run = placed(static_cast<size_t>(cases), InputData::Integer, kSeed + static_cast<uint64_t>(cases));
          INFO(text(kernel, dims, run));
          std::string wrong = runExact(kernel, dims, run);
          INFO(wrong);
          CHECK(wrong.empty());
          full += std::all_of(dims.begin(), dims.end(), [](const auto& dim) { return dim.second > 0; }) ? 1 : 0;
          for (size_t dim = 0; dim < 3; ++dim) seen[dim].insert(drawnSizes.at(std::string(1, "mnk"[dim])));
        }
      }
    }
  }
  std::cout << cases << " exact cases, " << full << " without a zero among their sizes, " << kernels << " kernels, seed " << kSeed << "\n";
  CHECK(cases >= asked);
  CHECK(full >= cases * 3 / 4);
  for (const std::set<int64_t>& values : seen)
    for (int64_t value : kLadder) CHECK(values.count(value) == 1);
}

}  // namespace

TEST_CASE("whole numbers are exact at every size of the ladder") { exactLadder(casesAsked()); }

TEST_CASE("whole numbers are exact with compiled-in sizes") {
  const std::string forms[] = {
      "", "ta=1", "tb=1 acc=1", "const=b", "const=b tb=1 ep=bias+relu", "const=b batch=2 ep=residual", "batch=3 ep=bias+residual"};
  int64_t perForm = std::max<int64_t>(2, casesAsked() / 250), cases = 0;
  SearchSpace all = space();
  SizeDraw sizes(kSeed, 4e6);
  std::mt19937_64 random(kSeed);
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    for (const std::string& form : forms)
      for (int64_t i = 0; i < perForm; ++i) {
        DimValues drawn = sizes.next(defaultSchedule(op(kForms[0]), level));
        std::string m = random() % 2 == 0 ? "*" : std::to_string(drawn["m"]);
        OpDesc desc = op("matmul m=" + m + " n=" + std::to_string(drawn["n"]) + " k=" + std::to_string(drawn["k"]) + " " + form);
        DimValues dims = dimsOf(desc, drawn);
        LadderKernel kernel = compiled(library, desc, drawSchedules(all, desc, dims, level, 2, random).back());
        for (size_t r = 0; r < 2; ++r, ++cases) {
          CheckRun run = placed(2 * static_cast<size_t>(i) + r, InputData::Integer, kSeed + static_cast<uint64_t>(cases));
          INFO(text(kernel, dims, run));
          std::string wrong = runExact(kernel, dims, run);
          INFO(wrong);
          CHECK(wrong.empty());
        }
      }
  }
  std::cout << cases << " exact cases with compiled-in sizes, seed " << kSeed << "\n";
  CHECK(cases >= casesAsked() / 25);
}

TEST_CASE("real data stays within its limits over the ladder, activations too") {
  const std::string forms[] = {"matmul m=* n=* k=* ep=bias+gelu_tanh+residual", "matmul m=* n=* k=* tb=1 acc=1 ep=bias",
                               "matmul m=* n=67 k=129 const=b ep=bias+silu", "matmul m=* n=* k=* ta=1 batch=*"};
  constexpr InputData kinds[] = {InputData::ZeroMean, InputData::Unit, InputData::Specials};
  SearchSpace all = space();
  auto perKernel = static_cast<size_t>(std::max<int64_t>(4, casesAsked() / 100));
  SizeDraw sizes(kSeed, 4e5);
  int64_t cases = 0;
  double worst = 0;
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    std::mt19937_64 random(kSeed);
    for (const std::string& form : forms) {
      OpDesc desc = op(form);
      for (const Schedule& chosen : drawSchedules(all, desc, dimsOf(desc, kSample), level, 2, random)) {
        LadderKernel kernel = compiled(library, desc, chosen);
        for (size_t i = 0; i < perKernel; ++i, ++cases) {
          DimValues dims = dimsOf(desc, sizes.next(chosen));
          CheckRun run =
              placed(static_cast<size_t>(cases), kinds[static_cast<size_t>(cases) / 2 % 3], kSeed + static_cast<uint64_t>(cases));
          INFO(text(kernel, dims, run));
          std::string wrong = runWithinLimits(kernel, dims, run, worst);
          INFO(wrong);
          CHECK(wrong.empty());
        }
      }
    }
  }
  std::cout << cases << " cases within limits, worst error/limit " << worst << ", seed " << kSeed << "\n";
  CHECK(cases >= casesAsked() / 25);
}

TEST_CASE("long sums stay within 4 eps S on zero-mean data and (k + 2) u S on [0,1)") {
  const std::string forms[] = {"matmul m=* n=* k=*", "matmul m=* n=* k=* tb=1 acc=1", "matmul m=* n=* k=* ta=1 ep=bias+residual"};
  SearchSpace all = space();
  int64_t cases = 0;
  for (InputData data : {InputData::ZeroMean, InputData::Unit}) {
    double worst = 0;
    for (const Target& level : runnableLevels()) {
      KernelLibrary library(level, {});
      std::mt19937_64 random(kSeed);
      for (const std::string& form : forms) {
        OpDesc desc = op(form);
        for (const Schedule& chosen : drawSchedules(all, desc, kSample, level, 2, random)) {
          LadderKernel kernel = compiled(library, desc, chosen);
          for (int64_t k : {1, 64, 768, 4096, 65536}) {
            DimValues dims = {{"m", 5}, {"n", 19}, {"k", k}};
            CheckRun run = placed(static_cast<size_t>(cases), data, kSeed + static_cast<uint64_t>(cases));
            INFO(text(kernel, dims, run));
            std::string wrong = runWithinLimits(kernel, dims, run, worst);
            INFO(wrong);
            CHECK(wrong.empty());
            ++cases;
          }
        }
      }
    }
    std::cout << "k up to 65536, " << text(data) << " data: worst error/limit " << worst << "\n";
  }
  CHECK(cases >= 60);
}

TEST_CASE("the ladder notices a wrong kernel") {
  // Kernels of other ops in place of the right one: if these pass, nothing above tested anything.
  KernelLibrary library(hostTarget(), {});
  OpDesc right = op("matmul m=* n=* k=*");
  DimValues dims = {{"m", 17}, {"n", 33}, {"k", 17}};
  double worst = 0;
  for (const char* wrong : {"matmul m=* n=* k=* ep=relu", "matmul m=* n=* k=* ta=1", "matmul m=* n=* k=* ep=\"x + 1\""}) {
    OpDesc other = op(wrong);
    LadderKernel kernel = compiled(library, other, defaultSchedule(other, library.target()));
    kernel.op = right;
    INFO(wrong);
    CHECK_FALSE(runExact(kernel, dims, placed(0, InputData::Integer, kSeed)).empty());
    CHECK_FALSE(runWithinLimits(kernel, dims, placed(0, InputData::ZeroMean, kSeed), worst).empty());
  }
}
