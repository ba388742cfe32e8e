// tests/numeric/CodedProductsTest.cpp — a=q8: codes as defined, packed quads lose nothing, and products have the bits of the definition on
// every level, with every instruction for them that is here, for any rows, schedule and thread count.
#include "compiler/base/Half.h"
#include "compiler/op/BlockFormat.h"
#include "compiler/op/BlockValues.h"
#include "tests/numeric/KernelRuns.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>

using namespace quern;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<std::byte> storedBlocks(ElementType type, int64_t elements, InputData data, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> bytes(static_cast<size_t>(bytesOf(type, elements)));
  drawBlocks(type, elements, bytes.data(), data, random);
  return bytes;
}

/// One output, as op/MatmulOp.h has it.
float byDefinition(ElementType type, const float* a, const std::byte* column, int64_t k) {
  const ElementFormat& format = formatOf(type);
  const BlockFormat& blocks = blockFormatOf(type);
  float acc = 0;
  for (int64_t at = 0; at < k; at += format.block, column += format.blockBytes) {
    WholeBlock b = wholeBlock(type, column);
    for (int64_t first = 0; first < format.block; first += CodedBlock::kElements) {
      CodedBlock own = codedBlock(a + at + first);
      int64_t part = first / b.each;
      int dots[2] = {0, 0}, sums[2] = {0, 0};
      bool sixteens = blocks.each == 16;
      for (int i = 0; i < CodedBlock::kElements; ++i) {
        dots[sixteens ? i / 16 : 0] += own.codes[i] * b.q[first + i];
        sums[sixteens ? i / 16 : 0] += own.codes[i];
      }
      if (sixteens) {
        acc = std::fmaf(static_cast<float>(b.scale[part] * dots[0] + b.scale[part + 1] * dots[1]), own.scale * b.d, acc);
        int least = b.least[part] * sums[0] + b.least[part + 1] * sums[1];
        if (blocks.minima != Minima::None) acc = std::fmaf(static_cast<float>(-least), own.scale * b.dmin, acc);
        continue;
      }
      acc = std::fmaf(static_cast<float>(dots[0]), own.scale * (b.d * static_cast<float>(b.scale[part])), acc);
      if (blocks.minima != Minima::None)
        acc = std::fmaf(-static_cast<float>(sums[0]), own.scale * (b.dmin * static_cast<float>(b.least[part])), acc);
    }
  }
  return acc;
}

}  // namespace

TEST_CASE("32 numbers become codes and a scale") {
  std::vector<float> x(32, 0.0F);
  auto isNone = [](const CodedBlock& block) {
    return std::all_of(std::begin(block.codes), std::end(block.codes), [](int code) { return code == 0; });
  };
  CHECK(codedBlock(x.data()).scale == 0);
  x[7] = -127, x[8] = 63.5F, x[9] = 0.5F, x[10] = 1.5F, x[11] = -2.5F;
  CodedBlock block = codedBlock(x.data());
  CHECK(block.scale == 127 * 0x1.020408p-7F);
  CHECK(block.codes[7] == -127);
  CHECK(block.codes[8] == 64);  // ties to even
  CHECK(block.codes[9] == 0);
  CHECK(block.codes[10] == 2);
  CHECK(block.codes[11] == -2);
  for (float bad : {kInf, -kInf, std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> y = x;
    y[31] = bad;
    CHECK(std::isnan(codedBlock(y.data()).scale));
    CHECK(isNone(codedBlock(y.data())));
  }
  std::fill(x.begin(), x.end(), 0x1.fffffep-121F);
  CHECK(codedBlock(x.data()).scale == 0);
  CHECK(isNone(codedBlock(x.data())));
  x[0] = 0x1p-120F;
  CHECK(codedBlock(x.data()).codes[0] == 127);
  x[0] = std::numeric_limits<float>::max();
  CHECK(codedBlock(x.data()).codes[0] == 127);
}

TEST_CASE("a weight packed in quads holds what was stored") {
  for (const BlockFormat& blocks : blockFormats()) {
    ElementType type = blocks.type;
    int64_t k = 512, n = 37;
    std::vector<std::byte> stored = storedBlocks(type, n * k, InputData::Specials, 3);
    std::vector<float> all(static_cast<size_t>(n * k)), column(static_cast<size_t>(k));
    rowValues(type, stored.data(), n * k, all.data());
    for (int64_t panel : {4, 16, 48}) {
      PackLayout layout{panel, k, n, 1, true, type, true};
      auto back = parsePackLayout(text(layout));
      REQUIRE(back);
      CHECK(*back == layout);
      std::vector<std::byte> packed(static_cast<size_t>(layout.bytes()), std::byte{0x5a});
      packWeight(layout, stored.data(), packed.data());
      for (int64_t c = 0; c < n; ++c) {
        packedColumn(layout, packed.data(), c, column.data());
        INFO(text(type) << " panel " << panel << " column " << c);
        REQUIRE(std::memcmp(column.data(), all.data() + c * k, column.size() * 4) == 0);
      }
    }
  }
}

TEST_CASE("a weight of bf16 packed in pairs holds what was stored") {
  for (int64_t k : {1, 2, 37})
    for (bool transposed : {false, true}) {
      constexpr int64_t n = 21;
      std::mt19937_64 random(5);
      std::vector<uint16_t> stored(static_cast<size_t>(n * k));
      for (uint16_t& each : stored) each = static_cast<uint16_t>(random() % 0x7f00);
      PackLayout layout{16, k, n, 1, transposed, ElementType::BF16, true};
      std::vector<std::byte> packed(static_cast<size_t>(layout.bytes()), std::byte{0x5a});
      packWeight(layout, stored.data(), packed.data());
      std::vector<float> column(static_cast<size_t>(k));
      for (int64_t c = 0; c < n; ++c) {
        packedColumn(layout, packed.data(), c, column.data());
        for (int64_t kk = 0; kk < k; ++kk)
          CHECK(column[static_cast<size_t>(kk)] == floatOfBfloat(stored[static_cast<size_t>(transposed ? c * k + kk : kk * n + c)]));
      }
      if (k % 2 == 0) continue;  // beside an odd last one there is a zero
      uint16_t beside = 1;
      std::memcpy(&beside, packed.data() + k / 2 * 4 * 16 + 2, 2);
      CHECK(beside == 0);
    }
}

TEST_CASE("products with codes have the bits of their definition on every level") {
  constexpr int64_t n = 53, k = 512;
  int64_t compared = 0;
  std::mt19937_64 random(11);
  ThreadPool pool(3);
  TaskRunner runner = runnerOf(pool);
  for (const Target& target : levelsAnd({"wide level=x86-64-v4 features=avx512vnni", "vex level=x86-64-v3 features=avxvnni"})) {
    KernelLibrary library(target, {});
    for (const BlockFormat& blocks : blockFormats()) {
      ElementType type = blocks.type;
      OpDesc desc = op(fmt::format("matmul m=* n={} k={} tb=1 const=b w={} a=q8", n, k, text(type)));
      std::vector<std::byte> stored = storedBlocks(type, n * k, InputData::ZeroMean, 5);
      int64_t lanes = target.vectorLanes();
      std::vector<std::string> schedules;
      for (auto [keys, vectors] :
           {std::pair{"mr=1 kc=256", 2}, {"mr=2 mc=6 inner=rows prefetch=256 walk=columns", 1}, {"mr=3 kc=256 mc=9 nc=96", 1}})
        schedules.push_back(fmt::format("dots=plain {} nr={} panel={}", keys, vectors * lanes, lanes));
      std::vector<KernelSet> kernels = kernelsOf(library, desc, schedules);
      CHECK(kernels[0].packing()->words);
      CHECK((kernels[0].info().contract.find("vnni") != std::string::npos) == !target.features.empty());
      for (int64_t m : {1, 2, 5, 17, 40}) {
        std::vector<float> a(static_cast<size_t>(m * k)), expected;
        for (float& each : a) each = drawn(InputData::ZeroMean, random) * std::ldexp(1.0F, static_cast<int>(random() % 20));
        std::fill_n(a.begin(), 64, 0.0F);  // blocks without codes
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < n; ++j) expected.push_back(byDefinition(type, a.data() + i * k, stored.data() + bytesOf(type, j * k), k));
        compared += compareProducts(kernels, {m, n, k, a, stored.data(), expected}, runner);
      }
    }
  }
  std::cout << compared << " products compared\n";
  REQUIRE(compared > 0);
}

TEST_CASE("a row that cannot be coded is NaN, the others are what they are alone") {
  constexpr int64_t n = 20, k = 64, m = 4;
  OpDesc desc = op("matmul m=* n=20 k=64 tb=1 const=b w=q8_0 a=q8");
  KernelLibrary library(hostTarget(), {});
  KernelSet kernel = kernelOf(library, desc);
  std::vector<std::byte> stored = storedBlocks(ElementType::Q8_0, n * k, InputData::ZeroMean, 5);
  std::mt19937_64 random(3);
  std::vector<float> a(m * k);
  for (float& each : a) each = drawn(InputData::ZeroMean, random);
  std::vector<float> clean = packedProduct(kernel, m, n, a, stored.data(), k, nullptr);
  a[1 * k + 40] = kInf, a[3 * k + 3] = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> dirty = packedProduct(kernel, m, n, a, stored.data(), k, nullptr);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      float was = clean[static_cast<size_t>(i * n + j)], is = dirty[static_cast<size_t>(i * n + j)];
      if (i % 2 == 1) CHECK(std::isnan(is));
      else CHECK(std::memcmp(&was, &is, 4) == 0);
    }
}

TEST_CASE("rounding A to codes errs as little as is promised, and does round") {
  constexpr int64_t n = 24, k = 512, m = 8;
  std::mt19937_64 random(17);
  for (const BlockFormat& blocks : blockFormats()) {
    ElementType type = blocks.type;
    std::vector<std::byte> stored = storedBlocks(type, n * k, InputData::ZeroMean, 5);
    std::vector<float> w(n * k), a(m * k);
    rowValues(type, stored.data(), n * k, w.data());
    for (float& each : a) each = drawn(InputData::ZeroMean, random);
    KernelLibrary library(hostTarget(), {});
    std::string text = fmt::format("matmul m=* n={} k={} tb=1 const=b w={}", n, k, quern::text(type));
    std::vector<float> fast = packedProduct(kernelOf(library, op(text + " a=q8")), m, n, a, stored.data(), k, nullptr);
    bool differs = false;
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double exact = 0, limit = 0, magnitude = 0;
        for (int64_t block = 0; block < k; block += 32) {
          double amax = 0, weights = 0;
          for (int64_t at = block; at < block + 32; ++at) {
            double x = a[static_cast<size_t>(i * k + at)], y = w[static_cast<size_t>(j * k + at)];
            exact += x * y, magnitude += std::fabs(x * y), weights += std::fabs(y), amax = std::max(amax, std::fabs(x));
          }
          limit += amax / 254 * weights * (1 + 0x1p-20);
        }
        double error = std::fabs(fast[static_cast<size_t>(i * n + j)] - exact);
        CHECK(error <= limit + 4 * 0x1p-23 * magnitude);
        differs = differs || error > 4 * 0x1p-23 * magnitude;
      }
    CHECK(differs);
  }
}
