// tests/numeric/SameBitsTest.cpp — keys that say only where and when memory is touched (inner, pack=a, prefetches, streams) change no bit:
// each against the default schedule, at edge sizes, operands flush with unmapped pages and off their lines, on every level of the host.
#include "tests/numeric/MatmulLadder.h"

#include <iostream>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 11;

/// Several tasks and groups at sizes of some dozens, on any level; kc=37: several passes.
const std::string kSmall = "lanes=4 mr=2 nr=8 mc=6 nc=24 ";

const char* const kMatmulOps[] = {
    "matmul m=* n=* k=*",
    "matmul m=* n=* k=* acc=1 ep=bias",
    "matmul m=* n=* k=* batch=2 tb=1",
    "matmul m=* n=* k=* batch=2x2 batch_b=2x1 tb=1",
    "matmul m=* n=51 k=150 const=b ep=bias+gelu_erf",
    "matmul m=13 n=24 k=37 const=b batch=2 ep=residual",
};
const char* const kMatmulKeys[] = {
    "pack=b kc=37 inner=rows",
    "pack=ab kc=37",
    "pack=ab kc=37 inner=rows",
    "pack=b kc=37 prefetch_panel=1",
    "pack=b kc=37 prefetch_panel=3 unroll_k=3 walk=columns",
    "pack=ab kc=37 prefetch_panel=16 inner=rows walk=rows",
    "pack=b kc=4096 prefetch_panel=1 walk=halves",
    "pack=b kc=37 prefetch_c=tile",
    "pack=b kc=37 prefetch_c=below inner=rows",
};

const char* const kStreamOps[] = {
    "map expr=\"gelu_erf(x + bias) * y\" x=*x* bias=* y=*x1",
    "map expr=\"a - b / 3\" a=*x* b=*x*",
    "add a=7x61 b=7x61",
    "embedding t=* v=9 d=*",
    "transpose x=*x3x* perm=1,0,2",
};
const char* const kStreamKeys[] = {"stream=1", "stream=400"};  // always, and decided by the size

/// Same bits as the default's, `each` times at drawn sizes.
class Compared {
public:
  explicit Compared(const Target& level) : library_(level, {}), random_(kSeed) {}

  void run(const OpDesc& desc, const std::string& keys, std::span<const int64_t> sizes, int each) {
    const Target& level = library_.target();
    auto kernel = library_.get(desc, schedule(keys, desc, level)), usual = library_.get(desc, defaultSchedule(desc, level));
    INFO(text(desc) << " | " << keys << " on " << level.level << (kernel ? "" : ": " + kernel.error().message));
    REQUIRE(kernel);
    REQUIRE(usual);
    for (int i = 0; i < each; ++i) {
      DimValues dims;
      for (const std::string& name : runtimeDims(desc)) dims[name] = sizes[random_() % sizes.size()];
      CheckRun run = placed(cases++, InputData::ZeroMean, kSeed);
      CheckInputs inputs = makeInputs(fixed(desc, dims), run.data, run.seed, run.flush, run.offset);
      auto expected = runKernel(*usual, inputs, dims, run), got = runKernel(*kernel, inputs, dims, run);
      REQUIRE(expected);
      REQUIRE(got);
      INFO(text(dims) << ", " << run.offset << " elements off");
      CHECK(differing(*expected, *got) == "");
      compared += static_cast<int64_t>(got->size());
    }
  }

  size_t cases = 0;
  int64_t compared = 0;  ///< elements

private:
  KernelLibrary library_;
  std::mt19937_64 random_;
};

}  // namespace

TEST_CASE("matmul: order of tiles, copies of A and prefetches change no bit") {
  constexpr int64_t kSizes[] = {0, 1, 2, 5, 6, 7, 8, 9, 13, 23, 24, 25, 36, 37, 38, 74, 75};
  int64_t compared = 0;
  for (const Target& level : runnableLevels()) {
    Compared all(level);
    for (const char* given : kMatmulOps)
      for (const char* keys : kMatmulKeys) all.run(op(given), kSmall + keys, kSizes, runtimeDims(op(given)).empty() ? 2 : 6);
    compared += all.compared;
  }
  std::cout << compared << " elements compared, seed " << kSeed << "\n";
  CHECK(compared > 50000);
}

TEST_CASE("maps and copies of rows that go past the caches have the same bits") {
  constexpr int64_t kSizes[] = {0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 33, 64, 65, 130, 517};
  int64_t compared = 0;
  for (const Target& level : runnableLevels()) {
    Compared all(level);
    for (const char* given : kStreamOps)
      for (const char* keys : kStreamKeys)
        for (const char* lanes : {"lanes=4", ""}) {
          const char* tasks = classOf(op(given)) == OpClass::Pointwise ? "chunk=80 unroll=2" : "rows=3";
          all.run(op(given), fmt::format("{} {} {}", tasks, lanes, keys), kSizes, runtimeDims(op(given)).empty() ? 6 : 12);
        }
    compared += all.compared;
  }
  std::cout << compared << " elements compared, seed " << kSeed << "\n";
  CHECK(compared > 100000);
}

TEST_CASE("the comparison notices other bits") {
  Target level = hostTarget();
  KernelLibrary library(level, {});
  OpDesc desc = op("matmul m=* n=* k=*");
  DimValues dims = {{"m", 5}, {"n", 9}, {"k", 75}};
  CheckInputs inputs = makeInputs(fixed(desc, dims), InputData::ZeroMean, kSeed);
  auto usual = library.get(desc, defaultSchedule(desc, level)),
       other = library.get(desc, schedule("mr=1 nr=8 lanes=4 order=split:4", desc, level));
  REQUIRE(usual);
  REQUIRE(other);
  CHECK(differing(*runKernel(*usual, inputs, dims, {}), *runKernel(*other, inputs, dims, {})) != "");
}
