// tests/numeric/KeptRowsTest.cpp — rows written as blocks of q8_0 (cast, rope): byte by byte what is stated, on every level and by any
// schedule; NaN and Inf stay in their block.
#include "tests/numeric/KernelRuns.h"

#include "compiler/base/Half.h"
#include "compiler/op/BlockValues.h"

#include <algorithm>
#include <iostream>
#include <limits>
#include <random>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 61;
constexpr int64_t kBlock = 32, kBytes = 34, kWidth = 96;

/// Rows of three blocks each, a kind of block after the other.
std::vector<float> rowsOfAllKinds(int64_t rows, std::mt19937_64& random) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  std::vector<float> x(static_cast<size_t>(rows * kWidth));
  for (size_t block = 0; block < x.size() / kBlock; ++block) {
    float* at = x.data() + block * kBlock;
    float size = std::ldexp(1.0f, static_cast<int>(random() % 40) - 28);
    for (int i = 0; i < kBlock; ++i) at[i] = size * drawn(InputData::ZeroMean, random);
    auto& one = at[random() % kBlock];
    switch (block % 11) {
      case 0: one = kNan; break;
      case 1: one = block % 2 == 0 ? kInf : -kInf; break;
      case 2: std::fill_n(at, kBlock, block % 2 == 0 ? 0.0f : -0.0f); break;
      case 3:
        for (int i = 0; i < kBlock; ++i) at[i] = static_cast<float>(2 * i - 31) / 2;  // codes half way between two
        at[0] = 127;
        break;
      case 4: one = 127 * 65519.0f; break;                             // a scale that a half still holds
      case 5: one = -127 * 65521.0f; break;                            // and none
      case 6: std::fill_n(at, kBlock, std::ldexp(1.3f, -130)); break;  // too small for codes
      case 7: std::fill_n(at, kBlock, -std::ldexp(1.3f, -17)); break;  // a denormal scale
      case 8: one = std::numeric_limits<float>::max(); break;
      default: break;
    }
  }
  return x;
}

std::vector<std::byte> byDefinition(const std::vector<float>& x) {
  std::vector<std::byte> bytes(x.size() / kBlock * kBytes);
  for (size_t block = 0; block < x.size() / kBlock; ++block) keptBlock(x.data() + block * kBlock, bytes.data() + block * kBytes);
  return bytes;
}

bool scaleIsNan(const std::byte* block) {
  uint16_t half = 0;
  std::memcpy(&half, block, 2);
  return std::isnan(floatOfHalf(half));
}

/// The first block that is another; NaN is NaN whatever its payload. -1: none.
int64_t differingBlock(const std::vector<std::byte>& expected, const std::vector<std::byte>& actual) {
  REQUIRE(expected.size() == actual.size());
  for (size_t at = 0; at < expected.size(); at += kBytes) {
    bool none = scaleIsNan(expected.data() + at);
    if (none ? !scaleIsNan(actual.data() + at) : std::memcmp(expected.data() + at, actual.data() + at, kBytes) != 0)
      return static_cast<int64_t>(at / kBytes);
  }
  return -1;
}

std::vector<std::byte> written(const KernelSet& kernel, const std::vector<float>& x) {
  std::vector<std::byte> out(x.size() / kBlock * kBytes, std::byte{0x5a});
  const int64_t dims[] = {static_cast<int64_t>(x.size()) / kWidth};
  const Operand operands[] = {{x.data(), {kWidth}}, {out.data(), {kWidth}}};
  auto call = KernelCall::make(kernel, dims, operands, 1);
  REQUIRE(call);
  call->run();
  return out;
}

}  // namespace

TEST_CASE("rows kept as q8_0 have the bytes that are stated, on every level, by any schedule") {
  std::mt19937_64 random(kSeed);
  std::vector<float> x = rowsOfAllKinds(77, random);
  std::vector<std::byte> expected = byDefinition(x);
  OpDesc desc = op(fmt::format("cast x=*x{} to=q8_0", kWidth));
  int64_t compared = 0, nan = 0;
  for (size_t at = 0; at < expected.size(); at += kBytes) nan += scaleIsNan(expected.data() + at);
  CHECK(nan == static_cast<int64_t>(x.size()) / kBlock * 4 / 11);  // NaN, Inf, two too large
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    std::vector<std::string> schedules;
    for (int64_t lanes = 1; lanes <= level.vectorLanes(); lanes *= 2) schedules.push_back(fmt::format("lanes={} rows=5", lanes));
    for (const KernelSet& kernel : kernelsOf(library, desc, schedules)) {
      INFO(kernel.info().schedule << " on " << level.name << ", seed " << kSeed);
      CHECK(differingBlock(expected, written(kernel, x)) == -1);
      ++compared;
    }
  }
  CHECK(compared >= 4);
}

TEST_CASE("a NaN or an Inf makes NaN of its own block of 32 and of nothing else") {
  std::mt19937_64 random(kSeed + 1);
  KernelLibrary library(hostTarget(), {});
  KernelSet kernel = kernelOf(library, op(fmt::format("cast x=*x{} to=q8_0", kWidth)));
  std::vector<float> x(20 * kWidth);
  for (float& each : x) each = drawn(InputData::ZeroMean, random);
  std::vector<std::byte> clean = written(kernel, x);
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    size_t at = random() % x.size();
    std::vector<float> spoilt = x;
    spoilt[at] = bad;
    std::vector<std::byte> got = written(kernel, spoilt);
    std::vector<float> values(kBlock);
    std::byte* block = got.data() + at / kBlock * kBytes;
    rowValues(ElementType::Q8_0, block, kBlock, values.data());
    CHECK(std::all_of(values.begin(), values.end(), [](float v) { return std::isnan(v); }));
    std::copy_n(clean.data() + at / kBlock * kBytes, kBytes, block);
    CHECK(got == clean);
  }
}

TEST_CASE("what is kept is as near as is stated") {
  std::mt19937_64 random(kSeed + 2);
  double worst = 0;
  for (int drawnBlocks = 0; drawnBlocks < 20000; ++drawnBlocks) {
    float x[kBlock], values[kBlock], amax = 0;
    float size = std::ldexp(1.0f, static_cast<int>(random() % 44) - 24);
    for (float& each : x) each = size * drawn(InputData::ZeroMean, random), amax = std::max(amax, std::fabs(each));
    std::byte block[kBytes];
    keptBlock(x, block);
    rowValues(ElementType::Q8_0, block, kBlock, values);
    for (int i = 0; i < kBlock; ++i) {
      double error = std::fabs(double{x[i]} - values[i]), limit = double{amax} * (1.0 / 254 + 0x1p-11) + 127 * 0x1p-25;
      worst = std::max(worst, error / limit);
    }
  }
  std::cout << "kept: worst error/limit " << worst << ", seed " << kSeed + 2 << "\n";
  CHECK(worst <= 1);
  CHECK(worst > 0.5);
}

TEST_CASE("attention over any blocks has the bits of attention over their values") {
  std::mt19937_64 random(kSeed + 3);
  constexpr int64_t kKeys = 150, kQueries = 5, kHead = 64;
  std::vector<std::byte> blocks[2];
  std::vector<float> values[2], q(kQueries * kHead);
  for (float& each : q) each = drawn(InputData::ZeroMean, random);
  for (int which : {0, 1}) {  // any code, -128 too; scales of either sign, zero, denormal
    constexpr float kScales[] = {0.01f, -0.013f, 0.0f, 0x1.8p-20f, 0x1p-24f, 0.007f};
    for (int64_t b = 0; b < kKeys * kHead / kBlock; ++b) {
      uint16_t half = halfOfFloat(kScales[random() % std::size(kScales)]);
      for (size_t i = 0; i < 2; ++i) blocks[which].push_back(static_cast<std::byte>(half >> (8 * i)));
      for (int i = 0; i < kBlock; ++i) blocks[which].push_back(static_cast<std::byte>(random()));
    }
    values[which].resize(kKeys * kHead);
    rowValues(ElementType::Q8_0, blocks[which].data(), kKeys * kHead, values[which].data());
  }
  auto result = [&](const KernelSet& kernel, const void* k, const void* v) {
    std::vector<float> out(q.size(), NAN);
    const int64_t dims[] = {kQueries, kKeys};
    const Operand operands[] = {{q.data(), {kHead, kHead}}, {k, {kHead, kHead}}, {v, {kHead, kHead}}, {out.data(), {kHead, kHead}}};
    auto call = KernelCall::make(kernel, dims, operands, 1);
    REQUIRE(call);
    call->run();
    return out;
  };
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    std::string form = "attention heads=1 head_dim=64 q=* kv=*";
    std::vector<float> expected = result(kernelOf(library, op(form)), values[0].data(), values[1].data());
    CHECK(std::none_of(expected.begin(), expected.end(), [](float x) { return std::isnan(x) || x == 0; }));
    for (const KernelSet& kernel : kernelsOf(library, op(form + " kv_type=q8_0"), {"pack=kv rows=8 mr=2", "pack=none mr=1 kr=2 tiles=2"})) {
      INFO(kernel.info().schedule << " on " << level.name);
      CHECK(differing(expected, result(kernel, blocks[0].data(), blocks[1].data())) == "");
      // A block of NaN among the values: its 32 columns of the result, and no other.
      std::vector<std::byte> spoilt = blocks[1];
      std::fill_n(spoilt.begin() + (2 * 70 + 1) * kBytes, 2, std::byte{0x7f});
      std::vector<float> got = result(kernel, blocks[0].data(), spoilt.data());
      for (size_t i = 0; i < got.size(); ++i) CHECK((i % kHead < kBlock ? std::memcmp(&got[i], &expected[i], 4) == 0 : std::isnan(got[i])));
    }
  }
}
