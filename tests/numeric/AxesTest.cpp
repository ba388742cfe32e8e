// tests/numeric/AxesTest.cpp — every axis of shapes of 1 to 5 dimensions of 0, 1, 3 and 17: softmax, reductions, norms,
// transposes and broadcast maps on kernels with run-time dimensions, and some compiled in. Arrays end at unmapped pages.
#include "tests/numeric/KernelRuns.h"

#include <algorithm>
#include <iostream>
#include <numeric>
#include <random>
#include <set>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 21;
constexpr size_t kMostRank = 5;
constexpr int64_t kSizes[] = {0, 1, 3, 17};
constexpr int64_t kMostElements = 20000;  // keeps the reference quick

int64_t elementsOf(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

/// All combinations of the sizes up to rank 3; beyond, a sample, one in four of it with a zero.
std::vector<std::vector<int64_t>> shapesOf(size_t rank) {
  std::vector<std::vector<int64_t>> shapes;
  if (rank <= 3) {
    for (size_t code = 0; code < size_t{1} << (2 * rank); ++code) {
      std::vector<int64_t> shape;
      for (size_t i = 0; i < rank; ++i) shape.push_back(kSizes[code >> (2 * i) & 3]);
      shapes.push_back(shape);
    }
    return shapes;
  }
  std::mt19937_64 random(kSeed + rank);
  while (shapes.size() < 36) {
    std::vector<int64_t> shape;
    for (size_t i = 0; i < rank; ++i) shape.push_back(kSizes[random() % 4]);
    int64_t elements = elementsOf(shape);
    if ((elements == 0) == (shapes.size() % 4 == 0) && elements <= kMostElements) shapes.push_back(shape);
  }
  return shapes;
}

std::string stars(size_t rank) {
  std::string out = "*";
  for (size_t i = 1; i < rank; ++i) out += "x*";
  return out;
}

std::string joinedPerm(const std::vector<int>& perm) { return fmt::format("{}", fmt::join(perm, ",")); }

/// All permutations up to rank 3, a sample beyond.
std::vector<std::vector<int>> permsOf(size_t rank) {
  std::vector<int> perm(rank);
  std::iota(perm.begin(), perm.end(), 0);
  std::vector<std::vector<int>> all;
  if (rank <= 3) {
    do all.push_back(perm);
    while (std::next_permutation(perm.begin(), perm.end()));
    return all;
  }
  std::mt19937_64 random(kSeed + rank);
  std::set<std::vector<int>> drawn;
  while (drawn.size() < 8) {
    std::shuffle(perm.begin(), perm.end(), random);
    drawn.insert(perm);
  }
  return {drawn.begin(), drawn.end()};
}

/// One operand of a map: each axis run-time or 1, axes in front left out; "*x1x*", "scalar" with none left.
std::string drawnOperand(size_t rank, std::mt19937_64& random) {
  size_t own = random() % 3 == 0 ? random() % (rank + 1) : rank;
  std::string out;
  for (size_t i = 0; i < own; ++i) out += (out.empty() ? "" : "x") + std::string(random() % 3 == 0 ? "1" : "*");
  return out.empty() ? "scalar" : out;
}

/// Maps of two and three operands of one rank, their axes drawn.
std::vector<std::string> mapsOf(size_t rank) {
  std::mt19937_64 random(kSeed + 10 * rank);
  std::set<std::string> drawn;
  for (int i = 0; i < 100 && drawn.size() < 12; ++i) {
    std::string a = drawnOperand(rank, random), b = drawnOperand(rank, random), c = drawnOperand(rank, random);
    drawn.insert(i % 2 == 0 ? fmt::format("map expr=\"a * b + c\" a={} b={} c={}", a, b, c) : fmt::format("sub a={} b={}", a, b));
  }
  return {drawn.begin(), drawn.end()};
}

/// Every set of two axes and more, some counted from the end, some in descending order.
std::vector<std::string> axesOf(size_t rank) {
  std::vector<std::string> all = {"all"};
  for (unsigned set = 0; set < 1U << rank; ++set) {
    std::vector<int> axes;
    for (size_t i = 0; i < rank; ++i)
      if ((set >> i & 1) != 0) axes.push_back(static_cast<int>(set % 3 == 0 ? i - rank : i));
    if (set % 2 != 0) std::reverse(axes.begin(), axes.end());
    if (axes.size() > 1) all.push_back(joinedPerm(axes));
  }
  return all;
}

/// Every op of one rank, run-time dimensions where it may have them.
std::vector<std::string> opsOf(size_t rank) {
  std::vector<std::string> ops;
  for (size_t axis = 0; axis < rank; ++axis) {
    ops.push_back(fmt::format("softmax x={} axis={}", stars(rank), axis));
    for (const char* fn : {"sum", "mean", "max", "min", "prod"})
      ops.push_back(fmt::format("reduce x={} axis={} f={}", stars(rank), axis, fn));
  }
  for (const std::string& axes : axesOf(rank))
    for (const char* fn : {"sum", "mean", "max", "prod"})
      ops.push_back(fmt::format("reduce x={} axis={} f={}{}", stars(rank), axes, fn, fn[1] == 'a' ? " keepdims=1" : ""));
  if (rank > 1)
    for (const char* norm : {"layernorm", "rmsnorm"})
      ops.push_back(fmt::format("{} x={}3x17 axis=-2{}", norm, rank == 2 ? "" : stars(rank - 2) + "x", norm[0] == 'l' ? " bias=0" : ""));
  for (const char* norm : {"layernorm", "rmsnorm"})
    for (int64_t width : {1, 3, 17}) ops.push_back(fmt::format("{} x={}{}", norm, rank == 1 ? "" : stars(rank - 1) + "x", width));
  for (const auto& perm : permsOf(rank)) ops.push_back(fmt::format("transpose x={} perm={}", stars(rank), joinedPerm(perm)));
  for (const std::string& map : mapsOf(rank)) ops.push_back(map);
  return ops;
}

struct Tally {
  int64_t kernels = 0, cases = 0, empty = 0, elements = 0, zeros = 0;
};

/// One shape on plain data, and on data with NaN and Inf strewn in, at both ends of the mapping.
void checkShape(const KernelSet& kernel, const OpDesc& desc, const DimValues& dims, size_t turn, Tally& tally) {
  const CheckRun runs[] = {
      {InputData::ZeroMean, kSeed + turn, turn % 2 == 0 ? Flush::End : Flush::Begin, 0, static_cast<int64_t>(turn % 3 == 2)},
      {InputData::Specials, kSeed + turn, turn % 2 == 0 ? Flush::Begin : Flush::End, 0, 0}};
  for (const CheckRun& run : runs) {
    auto result = runOnce(kernel, desc, dims, run);
    INFO(text(desc) << " with " << text(dims) << ", " << text(run.data) << " data of seed " << run.seed
                    << (result ? "" : ": " + result.error().message));
    REQUIRE(result);
    CheckReport report = judge(fixed(desc, dims), *result, run.data);
    INFO(report.failure);
    CHECK(report.passed);
    ++tally.cases;
    tally.empty += result->output.empty();
    tally.elements += static_cast<int64_t>(result->output.size());
    tally.zeros += std::count(result->expected.value.begin(), result->expected.value.end(), 0.0);
  }
}

/// All shapes of one rank that the op takes; those that agree in its run-time dimensions once.
void checkOp(KernelLibrary& library, const std::string& given, size_t rank, Tally& tally) {
  OpDesc desc = op(given);
  KernelSet kernel = kernelOf(library, desc);
  INFO("on " << library.target().level);
  std::set<DimValues> done;
  for (const auto& shape : shapesOf(rank)) {
    DimValues all;
    for (size_t i = 0; i < rank; ++i) all[fmt::format("d{}", i)] = shape[i];
    DimValues dims = openDims(desc, all);
    OpDesc bound = fixed(desc, dims);
    bool legal = std::visit([](const auto& o) { return static_cast<bool>(o.validate()); }, bound);  // no largest of nothing
    if (legal && done.insert(dims).second) checkShape(kernel, desc, dims, done.size(), tally);
  }
  CHECK_FALSE(done.empty());
  ++tally.kernels;
}

void report(const char* what, const Tally& tally) {
  std::cout << tally.cases << " cases (" << tally.empty << " with nothing to compute), " << tally.elements << " elements of "
            << tally.kernels << " kernels " << what << ", seed " << kSeed << "\n";
  CHECK(tally.zeros * 2 < tally.elements);  // mostly zeros would have tested nothing
}

}  // namespace

TEST_CASE("every axis of every shape, dimensions known at call time") {
  Tally tally;
  std::vector<Target> levels = runnableLevels();
  for (const Target& level : levels) {
    KernelLibrary library(level, {});
    bool sampled = level.level != levels.back().level;  // a third of the kernels on all levels but the widest
    size_t turn = 0;
    for (size_t rank = 1; rank <= kMostRank; ++rank)
      for (const std::string& given : opsOf(rank))
        if (!sampled || (turn++ + rank) % 3 == 0) checkOp(library, given, rank, tally);
  }
  report("with run-time dimensions", tally);
  CHECK(tally.kernels >= 200);
  CHECK(tally.cases >= 5000);
}

TEST_CASE("shapes compiled in") {
  Tally tally;
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    std::mt19937_64 random(kSeed);
    for (size_t rank = 1; rank <= kMostRank; ++rank) {
      std::vector<std::string> ops = opsOf(rank);
      auto shapes = shapesOf(rank);
      for (int drawn = 0; drawn < 12; ++drawn) {
        const auto& shape = shapes[random() % shapes.size()];
        DimValues all;
        for (size_t i = 0; i < rank; ++i) all[fmt::format("d{}", i)] = shape[i];
        OpDesc open = op(ops[random() % ops.size()]), desc = fixed(open, openDims(open, all));
        if (!std::visit([](const auto& o) { return static_cast<bool>(o.validate()); }, desc)) continue;
        checkShape(kernelOf(library, desc), desc, {}, static_cast<size_t>(drawn), tally);
        ++tally.kernels;
      }
    }
  }
  report("with shapes compiled in", tally);
  CHECK(tally.kernels >= 40);
}

TEST_CASE("an axis taken for another is noticed") {
  KernelLibrary library(hostTarget(), {});
  OpDesc right = op("softmax x=*x*x* axis=1"), other = op("softmax x=*x*x* axis=0");
  auto result = runOnce(kernelOf(library, other), right, {{"d0", 3}, {"d1", 3}, {"d2", 17}}, {});
  REQUIRE(result);
  CHECK_FALSE(judge(right, *result, InputData::ZeroMean).passed);
}
