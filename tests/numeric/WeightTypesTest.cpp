// tests/numeric/WeightTypesTest.cpp — weights of every type: packing loses nothing, and a product with a weight of any type has the
// bits of the same product with the f32 that the weight stands for, for any rows, schedule and thread count.
#include "compiler/op/BlockFormat.h"
#include "compiler/op/BlockValues.h"
#include "tests/numeric/KernelRuns.h"

#include <cmath>
#include <iostream>

using namespace quern;

namespace {

std::vector<ElementType> types() {
  std::vector<ElementType> all = {ElementType::F16, ElementType::BF16};
  for (const BlockFormat& each : blockFormats()) all.push_back(each.type);
  return all;
}

std::vector<std::byte> blocksOf(ElementType type, int64_t elements, InputData data, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> bytes(static_cast<size_t>(bytesOf(type, elements)));
  drawBlocks(type, elements, bytes.data(), data, random);
  return bytes;
}

std::vector<float> floatsOf(ElementType type, const std::vector<std::byte>& bytes, int64_t elements) {
  std::vector<float> values(static_cast<size_t>(elements));
  rowValues(type, bytes.data(), elements, values.data());
  return values;
}

}  // namespace

TEST_CASE("a packed weight holds what was stored, column by column") {
  for (ElementType type : types()) {
    int64_t k = 512, n = 37;
    std::vector<std::byte> stored = blocksOf(type, n * k, InputData::Specials, 3);
    for (int64_t panel : {16, 48}) {
      PackLayout layout{panel, k, n, 1, true, type};
      std::vector<std::byte> packed(static_cast<size_t>(layout.bytes()), std::byte{0x5a});
      packWeight(layout, stored.data(), packed.data());
      CHECK(layout.bytes() == layout.panels() * panel * packedBytesOf(type, k));
      CHECK(static_cast<double>(packedBytesOf(type, k)) <= 1.04 * static_cast<double>(bytesOf(type, k)));
      std::vector<float> column(static_cast<size_t>(k)), all = floatsOf(type, stored, n * k);
      for (int64_t c = 0; c < n; ++c) {
        packedColumn(layout, packed.data(), c, column.data());
        INFO(text(type) << " panel " << panel << " column " << c);
        REQUIRE(std::memcmp(column.data(), all.data() + c * k, column.size() * 4) == 0);
      }
    }
  }
}

TEST_CASE("products with a weight of any type have the bits of its f32") {
  int64_t compared = 0;
  constexpr int64_t n = 115, k = 512;
  std::mt19937_64 random(11);
  for (const Target& target : runnableLevels()) {
    KernelLibrary library(target, {});
    KernelSet plain = kernelOf(library, op("matmul m=* n=115 k=512 tb=1 const=b"));
    ThreadPool pool(3);
    TaskRunner runner = runnerOf(pool);
    for (ElementType type : types()) {
      OpDesc desc = op("matmul m=* n=115 k=512 tb=1 const=b w=" + std::string(text(type)));
      std::vector<std::byte> stored = blocksOf(type, n * k, InputData::ZeroMean, 5);
      std::vector<float> values = floatsOf(type, stored, n * k);
      std::vector<KernelSet> kernels = {kernelOf(library, desc)};
      for (const char* keys : {"convert=registers mr=1 kc=256 unroll_k=3", "convert=registers mr=2 mc=6 prefetch=256",
                               "convert=scratch mr=3 kc=256 mc=9 nc=32", "convert=scratch pack=ab unroll_k=1"}) {
        int64_t lanes = target.vectorLanes();
        for (int64_t vectors : {1, 2}) {
          auto chosen = parseSchedule(fmt::format("{} nr={} panel={}", keys, vectors * lanes, lanes), desc, target);
          INFO(keys << " " << (chosen ? "" : chosen.error().message));
          REQUIRE(chosen);
          auto kernel = library.get(desc, *chosen);
          REQUIRE(kernel);
          kernels.push_back(*kernel);
        }
      }
      for (int64_t m : {1, 2, 3, 5, 17, 40}) {
        std::vector<float> a(static_cast<size_t>(m * k));
        for (float& each : a) each = drawn(InputData::ZeroMean, random);
        std::vector<float> expected = packedProduct(plain, m, n, a, values.data(), k, nullptr);
        for (const KernelSet& kernel : kernels) {
          INFO(kernel.info().op << " | " << kernel.info().schedule << " m=" << m << " on " << target.name);
          CHECK(differing(expected, packedProduct(kernel, m, n, a, stored.data(), k, m % 2 == 0 ? &runner : nullptr)) == "");
          ++compared;
        }
      }
    }
  }
  std::cout << compared << " products compared\n";
  REQUIRE(compared > 0);
}
