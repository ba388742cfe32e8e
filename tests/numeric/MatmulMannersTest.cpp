// tests/numeric/MatmulMannersTest.cpp — what a matmul must keep besides its values: NaN stays in its row or column, C is not
// read without acc and is with it, schedules of one order and any thread count give the same bits.
#include "compiler/loops/Lower.h"
#include "tests/numeric/Interpreted.h"
#include "tests/numeric/MatmulLadder.h"

#include <cfenv>
#include <cmath>
#include <iostream>
#include <limits>
#include <map>
#include <optional>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 2;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();

SearchSpace space() {
  auto read = readSearchSpace("default");
  REQUIRE(read);
  return *read;
}

/// Whether the kernel, given C full of signalling NaN, computes with one. `as`: the op whose inputs it is given, C being none of them.
bool readsC(const LadderKernel& kernel, const DimValues& dims, const CheckRun& run, const std::optional<OpDesc>& as = {}) {
  auto program = lower(kernel.op, kernel.schedule, kernel.level);
  REQUIRE(program);
  KernelInfo info = kernel.kernel.info();
  for (KernelBuffer& buffer : info.buffers)
    if (buffer.use == BufferUse::InOut) buffer.use = BufferUse::Out;
  std::feclearexcept(FE_ALL_EXCEPT);
  interpreted(*program, info, fixed(as.value_or(kernel.op), dims), dims, run, kSignallingNan);
  return std::fetestexcept(FE_INVALID) != 0;
}

/// One value of A or B that is not finite: it may show in row or column `line` of each batch's C, and nowhere else.
struct Poison {
  bool inA;
  int64_t line, depth;
  float value;
};

/// Runs with and without the poison: "" or what leaked, or got lost.
std::string leak(const LadderKernel& kernel, const DimValues& dims, const Poison& poison, const CheckRun& run) {
  CheckInputs inputs = makeInputs(fixed(kernel.op, dims), run.data, run.seed, run.flush, run.offset);
  const auto& bound = std::get<MatmulOp>(inputs.op);
  int64_t m = bound.m.value, n = bound.n.value, k = bound.k.value;
  auto clean = runKernel(kernel.kernel, inputs, dims, run);
  if (!clean) return clean.error().message;
  for (int64_t batch = 0; batch < bound.batches(); ++batch) {
    float* a = inputs.arrays[0].f32() + batch * m * k;
    float* b = inputs.arrays[1].f32() + batch * k * n;
    if (poison.inA) a[bound.ta ? poison.depth * m + poison.line : poison.line * k + poison.depth] = poison.value;
    else b[bound.tb ? poison.line * k + poison.depth : poison.depth * n + poison.line] = poison.value;
  }
  auto poisoned = runKernel(kernel.kernel, inputs, dims, run);
  if (!poisoned) return poisoned.error().message;
  std::vector<float> expected = *clean;
  for (size_t at = 0; at < expected.size(); ++at) {
    auto element = static_cast<int64_t>(at);
    int64_t line = poison.inA ? element / n % m : element % n;
    if (line != poison.line) continue;
    float got = (*poisoned)[at];
    if (std::isnan(poison.value) ? !std::isnan(got) : !std::isinf(got)) return "element " + std::to_string(at) + " lost it";
    expected[at] = got;
  }
  return differing(expected, *poisoned);
}

const std::vector<std::string> kPoisoned = {
    "matmul m=* n=* k=*",
    "matmul m=* n=* k=* ta=1 acc=1",
    "matmul m=* n=* k=* tb=1 batch=*",
    "matmul m=* n=* k=* ep=bias+residual",
    "matmul m=* n=37 k=65 const=b",
    "matmul m=13 n=37 k=65 const=b tb=1 ep=bias",
};

}  // namespace

TEST_CASE("NaN and Inf stay in their row of A and their column of B") {
  SearchSpace all = space();
  const DimValues sizes = {{"m", 13}, {"n", 37}, {"k", 65}, {"batch", 2}};
  int64_t cases = 0;
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    std::mt19937_64 random(kSeed);
    for (const std::string& form : kPoisoned) {
      OpDesc desc = op(form);
      DimValues dims = openDims(desc, sizes);
      for (const Schedule& chosen : drawSchedules(all, desc, dims, level, 3, random)) {
        LadderKernel kernel = compiled(library, desc, chosen);
        for (float value : {kNan, kInf, -kInf})
          for (bool inA : {true, false})
            for (int64_t line : {int64_t{0}, static_cast<int64_t>(random() % 13), inA ? int64_t{12} : int64_t{36}}) {
              CheckRun run = placed(static_cast<size_t>(cases), InputData::ZeroMean, kSeed + static_cast<uint64_t>(cases));
              Poison poison{inA, line, static_cast<int64_t>(random() % 65), value};
              INFO(text(kernel, dims, run) << ", " << value << " in " << (inA ? "row " : "column ") << line << " at depth "
                                           << poison.depth);
              std::string wrong = leak(kernel, dims, poison, run);
              INFO(wrong);
              CHECK(wrong.empty());
              ++cases;
            }
      }
    }
  }
  std::cout << cases << " rows and columns of NaN and Inf, seed " << kSeed << "\n";
  CHECK(cases >= 300);
}

TEST_CASE("a NaN that is lost, or in another row, is noticed") {
  KernelLibrary library(hostTarget(), {});
  // Transposed, row 3 of A is column 3 of what the kernel reads: depth 3 of every row.
  OpDesc right = op("matmul m=* n=* k=*"), other = op("matmul m=* n=* k=* ta=1");
  LadderKernel kernel = compiled(library, other, defaultSchedule(other, library.target()));
  kernel.op = right;
  CHECK_FALSE(leak(kernel, {{"m", 9}, {"n", 9}, {"k", 9}}, {true, 3, 4, kNan}, placed(0, InputData::ZeroMean, kSeed)).empty());
}

TEST_CASE("C is never read without acc, whatever the number of passes") {
  // C is full of signalling NaN before a run: what it becomes would be NaN. What is read and thrown away shows in the interpreter, where
  // arithmetic on one raises the invalid flag, and whole numbers raise none.
  SearchSpace all = space();
  const DimValues sizes = {{"m", 13}, {"n", 37}, {"k", 65}, {"batch", 2}};
  int64_t cases = 0;
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    std::mt19937_64 random(kSeed);
    for (const char* form :
         {"matmul m=* n=* k=*", "matmul m=* n=* k=* batch=* tb=1", "matmul m=* n=* k=* ep=bias+residual", "matmul m=* n=37 k=65 const=b"}) {
      OpDesc desc = op(form);
      DimValues dims = openDims(desc, sizes);
      for (const Schedule& chosen : drawSchedules(all, desc, dims, level, 2, random))
        for (int64_t kc : {7, 32, 65}) {  // ten passes, three, one
          auto passes = changed(chosen, "kc", std::to_string(kc), desc, level);
          REQUIRE(passes);
          LadderKernel kernel = compiled(library, desc, *passes);
          CheckRun run = placed(static_cast<size_t>(cases), InputData::Integer, kSeed + static_cast<uint64_t>(cases));
          INFO(text(kernel, dims, run));
          std::string wrong = runExact(kernel, dims, run);
          INFO(wrong);
          CHECK(wrong.empty());
          CHECK_FALSE(readsC(kernel, dims, run));
          ++cases;
        }
    }
  }
  CHECK(cases >= 24);
  // With acc C is read: the flag that is clear above is set by the same values here.
  KernelLibrary library(hostTarget(), {});
  OpDesc without = op("matmul m=* n=* k=*"), with = op("matmul m=* n=* k=* acc=1");
  LadderKernel kernel = compiled(library, with, defaultSchedule(with, library.target()));
  DimValues dims = {{"m", 13}, {"n", 37}, {"k", 65}};
  CHECK(readsC(kernel, dims, placed(0, InputData::Integer, kSeed), without));
}

TEST_CASE("where k is 0, C is the epilogue of zero, or of C with acc") {
  int64_t cases = 0;
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    for (const char* form : {"matmul m=* n=* k=*", "matmul m=* n=* k=* acc=1", "matmul m=* n=* k=* acc=1 ep=bias+residual",
                             "matmul m=* n=* k=0 acc=1 ep=bias+relu", "matmul m=* n=19 k=0 const=b ep=bias",
                             "matmul m=* n=* k=0 tb=1 ep=bias+relu+residual"}) {
      OpDesc desc = op(form);
      LadderKernel kernel = compiled(library, desc, defaultSchedule(desc, level));
      for (int64_t m : {1, 9, 65}) {
        DimValues dims = openDims(desc, {{"m", m}, {"n", 19}, {"k", 0}});
        CheckRun run = placed(static_cast<size_t>(cases), InputData::Integer, kSeed + static_cast<uint64_t>(cases));
        INFO(text(kernel, dims, run));
        std::string wrong = runExact(kernel, dims, run);
        INFO(wrong);
        CHECK(wrong.empty());
        ++cases;
      }
    }
  }
  CHECK(cases >= 18);
}

TEST_CASE("a run-time batch of none, one or two") {
  KernelLibrary library(hostTarget(), {});
  for (const char* form : {"matmul m=* n=* k=* batch=* acc=1 ep=residual", "matmul m=* n=* k=* batch=* ta=1 tb=1 ep=bias"}) {
    OpDesc desc = op(form);
    LadderKernel kernel = compiled(library, desc, defaultSchedule(desc, library.target()));
    for (int64_t batch : {0, 1, 2})
      for (size_t i = 0; i < 3; ++i) {
        DimValues dims = openDims(desc, {{"m", 9}, {"n", 19}, {"k", 17}, {"batch", batch}});
        CheckRun run = placed(i, InputData::Integer, kSeed);
        INFO(text(kernel, dims, run));
        std::string wrong = runExact(kernel, dims, run);
        INFO(wrong);
        CHECK(wrong.empty());
      }
  }
}

TEST_CASE("calls of few rows run a kernel of their own, with the same bits") {
  int64_t cases = 0;
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    for (const char* form : {"matmul m=* n=131 k=257 const=b ep=bias+gelu_tanh", "matmul m=* n=64 k=70 const=b tb=1",
                             "matmul m=* n=50 k=19 const=b batch=2 acc=1"}) {
      OpDesc desc = op(form);
      auto whole = library.kernels(desc);
      auto plain = library.get(desc, defaultSchedule(desc, level));
      REQUIRE(whole);
      REQUIRE(plain);
      REQUIRE_FALSE(whole->sized.empty());
      for (int64_t rows : {0, 1, 2, 3, 7, 40}) {
        DimValues dims = {{"m", rows}};
        CheckRun run = placed(static_cast<size_t>(cases++), InputData::ZeroMean, kSeed);
        CheckInputs inputs = makeInputs(fixed(desc, dims), run.data, run.seed, run.flush, run.offset);
        auto few = runKernel(*whole, inputs, dims, run), all = runKernel(*plain, inputs, dims, run);
        INFO(form << " on " << level.level << ", " << rows << " rows");
        REQUIRE(few);
        REQUIRE(all);
        CHECK(differing(*all, *few).empty());
        const std::vector<int64_t> m = {rows};
        CHECK((whole->forDims(m) == whole->wide) == (rows > whole->sized.back().most.rows));
      }
    }
  }
  CHECK(cases >= 18);
}

TEST_CASE("each order is the chains it says, to the bit") {
  const DimValues dims = {{"m", 3}, {"n", 21}, {"k", 37}};
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    OpDesc desc = op("matmul m=* n=* k=*");
    CheckInputs inputs = makeInputs(fixed(desc, dims), InputData::ZeroMean, kSeed);
    const float* a = inputs.arrays[0].f32();
    const float* b = inputs.arrays[1].f32();
    for (int64_t chains : {1, 2, 4, 8}) {
      std::string order = chains == 1 ? "seq" : "split:" + std::to_string(chains);
      LadderKernel kernel =
          compiled(library, desc, schedule("mr=1 nr=" + std::to_string(level.vectorLanes()) + " order=" + order, desc, level));
      std::vector<float> expected;
      for (int64_t i = 0; i < 3; ++i)
        for (int64_t j = 0; j < 21; ++j) {
          std::vector<float> sums(static_cast<size_t>(chains));
          int64_t range = (37 + chains - 1) / chains;
          for (int64_t k = 0; k < 37; ++k) {
            float& sum = sums[static_cast<size_t>(k / range)];
            volatile float product = a[i * 37 + k] * b[k * 21 + j];  // rounded: no fma of the compiler's
            sum = level.isa().fma ? std::fma(a[i * 37 + k], b[k * 21 + j], sum) : product + sum;
          }
          for (size_t half = sums.size() / 2; half > 0; half /= 2)
            for (size_t p = 0; p < half; ++p) sums[p] += sums[p + half];
          expected.push_back(sums[0]);
        }
      auto output = runKernel(kernel.kernel, inputs, dims, {});
      REQUIRE(output);
      INFO(order << " on " << level.level << ": " << differing(expected, *output));
      CHECK(differing(expected, *output).empty());
    }
  }
}

TEST_CASE("all schedules of one order, on any number of threads, give the same bits") {
  SearchSpace all = space();
  size_t perForm = casesAsked() > 500 ? 20 : 5;
  ThreadPool two(2), three(3), seven(7);
  int64_t cases = 0, schedules = 0;
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    std::mt19937_64 random(kSeed);
    for (const char* form : {"matmul m=* n=* k=* acc=1", "matmul m=* n=* k=* tb=1 ta=1",
                             "matmul m=* n=131 k=257 const=b ep=bias+gelu_tanh+residual", "matmul m=61 n=131 k=257 batch=2"}) {
      OpDesc desc = op(form);
      DimValues dims = openDims(desc, {{"m", 61}, {"n", 131}, {"k", 257}});
      std::map<std::string, std::pair<std::string, std::vector<float>>> firstOf;  // of each order: its schedule, its output
      for (const Schedule& chosen : drawSchedules(all, desc, dims, level, perForm, random)) {
        LadderKernel kernel = compiled(library, desc, chosen);
        std::string order = keyOf(chosen, "order");
        for (ThreadPool* pool : {static_cast<ThreadPool*>(nullptr), &two, &three, &seven}) {
          // The same numbers each time, laid out differently.
          CheckRun run = placed(static_cast<size_t>(cases), InputData::ZeroMean, kSeed);
          CheckInputs inputs = makeInputs(fixed(desc, dims), run.data, run.seed, run.flush, run.offset);
          TaskRunner runner = pool == nullptr ? TaskRunner() : runnerOf(*pool);
          INFO(text(kernel, dims, run) << ", " << (pool == nullptr ? 1 : pool->threads()) << " threads");
          auto output = runKernel(kernel.kernel, inputs, dims, run, pool == nullptr ? nullptr : &runner);
          REQUIRE(output);
          auto first = firstOf.try_emplace(order, text(chosen), *output).first;
          std::string wrong = differing(first->second.second, *output);
          INFO("against [" << first->second.first << "]: " << wrong);
          CHECK(wrong.empty());
          ++cases;
        }
        ++schedules;
      }
    }
  }
  std::cout << cases << " runs of " << schedules << " schedules on 1, 2, 3 and 7 threads, same bits, seed " << kSeed << "\n";
  CHECK(cases >= 60);
}
