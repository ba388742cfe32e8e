// tests/numeric/RoundedBlocksTest.cpp — weights in blocks with a=bf16: the bits of the definition with the rounded f32 that they stand for,
// on every level, in either order, by instruction and by fma, made in registers or in scratch, for any rows and thread count.
#include "compiler/op/BlockFormat.h"
#include "compiler/op/BlockValues.h"
#include "tests/numeric/KernelRuns.h"
#include "tests/numeric/PairArithmetic.h"

#include <bit>
#include <iostream>
#include <optional>

using namespace quern;

namespace {

std::vector<ElementType> types() {
  std::vector<ElementType> all;
  for (const BlockFormat& each : blockFormats()) all.push_back(each.type);
  return all;
}
constexpr PairOrder kOrders[] = {PairOrder::Pairs, PairOrder::Tile32};

/// A weight [n,k] in blocks, and the bf16 that its elements are multiplied as.
struct Blocks {
  ElementType type;
  int64_t n, k;
  std::vector<std::byte> stored;
  std::vector<float> values;
  std::vector<uint16_t> rounded;

  Blocks(ElementType given, int64_t columns, int64_t depth, uint64_t seed) : type(given), n(columns), k(depth) {
    std::mt19937_64 random(seed);
    stored.resize(static_cast<size_t>(bytesOf(type, n * k)));
    drawBlocks(type, n * k, stored.data(), InputData::ZeroMean, random);
    round();
  }
  void round() {
    values.resize(static_cast<size_t>(n * k));
    rowValues(type, stored.data(), n * k, values.data());
    rounded.clear();
    for (float each : values) rounded.push_back(bfloatOfFloat(each));
  }
  /// d of every block as `half(which block)` says, and dmin as `least`, or the same.
  void scale(const std::function<uint16_t(int64_t)>& half, std::optional<uint16_t> least = {}) {
    const ElementFormat& format = formatOf(type);
    const BlockFormat& blocks = blockFormatOf(type);
    for (int64_t i = 0; i < n * k / format.block; ++i) {
      std::byte* block = stored.data() + i * format.blockBytes;
      uint16_t bits = half(i);
      if (blocks.power) {
        *block = static_cast<std::byte>(bits >> 8);
        continue;
      }
      bool behind = type == ElementType::Q2_K || type == ElementType::Q3_K || type == ElementType::Q6_K;
      std::byte* d = behind ? block + format.blockBytes - (blocks.minima == Minima::None ? 2 : 4) : block;
      std::memcpy(d, &bits, 2);
      bits = least.value_or(bits);
      if (blocks.minima != Minima::None) std::memcpy(d + 2, &bits, 2);
    }
    round();
  }
};

constexpr int64_t kColumns = 53;
int64_t depthOf(ElementType type) { return 2 * std::max<int64_t>(64, formatOf(type).block); }
/// A weight of the size that all kernels here are for.
Blocks drawnBlocks(ElementType type, uint64_t seed) { return {type, kColumns, depthOf(type), seed}; }

/// Kernels of every kind: few rows and many, one pass and several, panels wider and narrower than a tile.
std::vector<KernelSet> variantsOf(KernelLibrary& library, ElementType type, PairOrder order) {
  int64_t lanes = library.target().vectorLanes(), block = formatOf(type).block;
  std::string unroll = order == PairOrder::Tile32 ? "unroll_k=1" : "unroll_k=3";
  std::vector<std::string> all = {
      fmt::format("convert=registers mr=1 kc={0} nr={1} panel={1} prefetch=256 {2}", block, lanes, unroll),
      fmt::format("convert=registers mr=1 nr={0} panel={1} mc=6 inner=rows {2}", lanes, 2 * lanes, unroll),
      fmt::format("convert=scratch mr=1 mc=10 kc={0} nr={2} panel={1} nc={2} prefetch=0 {3}", block, lanes, 2 * lanes, unroll),
      fmt::format("convert=scratch mr=2 mc=6 nr={0} panel={1} walk=columns prefetch=0 {2}", lanes, 2 * lanes, unroll)};
  if (!library.target().features.empty() && order == PairOrder::Pairs)  // those are by instruction
    for (size_t i : {0, 2}) all.push_back(all[i] + " dots=plain");
  OpDesc desc = op(fmt::format("matmul m=* n={} k={} tb=1 const=b w={} a=bf16 order={}", kColumns, depthOf(type), text(type),
                               order == PairOrder::Pairs ? "pairs" : "tile32"));
  return kernelsOf(library, desc, all);
}

/// body(kernels of a type in an order), for every CPU.
void forKernels(const std::function<void(const std::vector<KernelSet>&, ElementType, PairOrder)>& body) {
  struct Made {
    ElementType type;
    PairOrder order;
    std::vector<KernelSet> kernels;
  };
  static const std::vector<Made> all = [] {
    std::vector<Made> made;
    for (const Target& target : pairTargets()) {
      KernelLibrary library(target, {});
      for (ElementType type : types())
        for (PairOrder order : kOrders) made.push_back({type, order, variantsOf(library, type, order)});
    }
    return made;
  }();
  for (const Made& one : all) body(one.kernels, one.type, one.order);
}

std::vector<float> byDefinition(const Blocks& b, PairOrder order, const std::vector<float>& a) {
  std::vector<float> out;
  std::vector<uint16_t> row;
  for (size_t i = 0; i < a.size(); i += static_cast<size_t>(b.k)) {
    row.clear();
    for (size_t k = 0; k < static_cast<size_t>(b.k); ++k) row.push_back(bfloatOfFloat(a[i + k]));
    for (int64_t j = 0; j < b.n; ++j)
      out.push_back(pairsByDefinition(order, row, std::span(b.rounded).subspan(static_cast<size_t>(j * b.k), row.size()), 0));
  }
  return out;
}

/// Against operands as they were: what rounding both may cost, and what f32 would err. Returns the largest share of it.
double worstOf(const Blocks& b, const std::vector<float>& a, const std::vector<float>& out) {
  double worst = 0;
  for (size_t i = 0; i * static_cast<size_t>(b.k) < a.size(); ++i)
    for (size_t j = 0; j < static_cast<size_t>(b.n); ++j) {
      double sum = 0, size = 0;
      for (size_t k = 0; k < static_cast<size_t>(b.k); ++k) {
        double product = double{a[i * static_cast<size_t>(b.k) + k]} * b.values[j * static_cast<size_t>(b.k) + k];
        sum += product, size += std::fabs(product);
      }
      double limit = (0x1p-8 + 0x1p-18 + (static_cast<double>(b.k) + 2) * 0x1p-24 * 1.01) * size;
      worst = std::max(worst, std::fabs(out[i * static_cast<size_t>(b.n) + j] - sum) / limit);
    }
  return worst;
}

int64_t different(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  int64_t count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += std::memcmp(&a[i], &b[i], 4) != 0 && !(std::isnan(a[i]) && std::isnan(b[i]));
  return count;
}

}  // namespace

TEST_CASE("products of rounded blocks have the bits of their definition on every level") {
  ThreadPool pool(3);
  TaskRunner runner = runnerOf(pool);
  int64_t compared = 0;
  double worst = 0;
  forKernels([&](const std::vector<KernelSet>& kernels, ElementType type, PairOrder order) {
    std::mt19937_64 random(17);
    for (bool anyScale : {false, true}) {
      Blocks b = drawnBlocks(type, 5);
      if (anyScale) b.scale([&](int64_t) { return static_cast<uint16_t>(random() % 0x7c00 | (random() & 0x8000)); });  // all finite ones
      for (int64_t m : {1, 2, 7, 40}) {
        auto some = [&] { return drawn(InputData::ZeroMean, random); };
        auto tie = [&] { return std::bit_cast<float>((std::bit_cast<uint32_t>(some()) & 0xffff0000) | 0x8000); };
        std::vector<float> a(static_cast<size_t>(m * b.k));
        for (float& each : a) each = random() % 4 == 0 ? tie() : some();
        std::vector<float> expected = byDefinition(b, order, a);
        if (!anyScale) worst = std::max(worst, worstOf(b, a, expected));
        compared += compareProducts(kernels, {m, b.n, b.k, a, b.stored.data(), expected}, runner);
      }
    }
  });
  std::cout << compared << " products compared, rounding both operands costs " << worst << " of its limit\n";
  REQUIRE(compared > 500);
  CHECK(worst > 0.02);
  CHECK(worst <= 1);
}

TEST_CASE("scales of rounded blocks that are NaN, Inf or small") {
  int64_t compared = 0, nans = 0, infinities = 0, finite = 0;
  forKernels([&](const std::vector<KernelSet>& kernels, ElementType type, PairOrder order) {
    // NaNs, among them those whose low bits are all set, Inf, and numbers below 2^-14.
    std::vector<uint16_t> halves = {0x7fff, 0xffff, 0x7fe0, 0xfffe, 0x7c00, 0xfc00, 0x0001, 0x8001, 0x03ff, 0x0000, 0x8000};
    for (uint32_t bits = 0x7c01; halves.size() < kColumns; bits += 17) halves.push_back(static_cast<uint16_t>(bits | (bits % 2) << 15));
    Blocks b = drawnBlocks(type, 6);
    int64_t blocks = b.k / formatOf(type).block;
    b.scale([&](int64_t block) { return halves[static_cast<size_t>(block / blocks)]; });
    std::vector<float> a(static_cast<size_t>(3 * b.k), 1.5F);
    std::vector<float> expected = byDefinition(b, order, a);
    for (float each : expected) (std::isnan(each) ? nans : std::isinf(each) ? infinities : finite) += 1;
    for (const KernelSet& kernel : kernels)
      for (int64_t m : {1, 3}) {
        INFO(kernel.info().op << " | " << kernel.info().schedule << " m=" << m << " on " << kernel.info().contract);
        std::vector<float> own = packedProduct(kernel, m, b.n, a, b.stored.data(), b.k, nullptr);
        CHECK(different({expected.begin(), expected.begin() + m * b.n}, own) == 0);
        ++compared;
      }
  });
  std::cout << compared << " products compared: " << nans << " NaN, " << infinities << " Inf, " << finite << " finite\n";
  REQUIRE(compared > 100);
  CHECK(nans > 100);
  CHECK(finite > 100);
}

TEST_CASE("blocks are rounded to nearest even in any mode of the caller") {
  constexpr unsigned kUsual = 0x1f80, kTowardsZero = 0x7f80, kUpAndFlushed = 0xdfc0;
  std::mt19937_64 random(19);
  int64_t compared = 0;
  forKernels([&](const std::vector<KernelSet>& kernels, ElementType type, PairOrder) {
    Blocks b = drawnBlocks(type, 7);
    // Of q4_K 1024 n less a little, which is next to 1024 n: where that is half way between two of bf16, another f32 is another bf16.
    b.scale([](int64_t) { return 0x6400; }, 0x0001);
    for (const KernelSet& kernel : kernels)
      for (int64_t m : {1, 11}) {
        // With one number that is not 0 in a row nothing but the weight's element is rounded.
        std::vector<float> a(static_cast<size_t>(m * b.k));
        for (int64_t i = 0; i < m; ++i) a[static_cast<size_t>(i * b.k + static_cast<int64_t>(random() % static_cast<uint64_t>(b.k)))] = 1;
        std::vector<float> usual = packedProduct(kernel, m, b.n, a, b.stored.data(), b.k, nullptr);
        for (unsigned mode : {kTowardsZero, kUpAndFlushed}) {
          INFO(kernel.info().op << " | " << kernel.info().schedule << " m=" << m << " on " << kernel.info().contract << std::hex << " "
                                << mode);
          _mm_setcsr(mode);
          std::vector<float> own = packedProduct(kernel, m, b.n, a, b.stored.data(), b.k, nullptr);
          _mm_setcsr(kUsual);
          CHECK(differing(usual, own) == "");
          ++compared;
        }
      }
  });
  REQUIRE(compared > 100);
}
