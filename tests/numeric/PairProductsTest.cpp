// tests/numeric/PairProductsTest.cpp — a=bf16: the two orders have the bits that hardware was recorded with, those of their definition, and
// the same on every level, by instruction and by fma, for any rows, schedule and thread count.
#include "compiler/loops/ir/LoopInterpreter.h"
#include "compiler/loops/ir/LoopParser.h"
#include "compiler/loops/ir/LoopVerifier.h"
#include "tests/Folders.h"
#include "tests/numeric/FloatKernels.h"
#include "tests/numeric/KernelRuns.h"
#include "tests/numeric/PairArithmetic.h"

#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>

using namespace quern;

namespace {

std::string recorded(const char* name) {
  std::string path = sharedFile(std::string("vectors/") + name);
  if (!std::filesystem::exists(path)) return "";
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool sameNumber(float a, float b) { return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, 4) == 0; }

}  // namespace

TEST_CASE("recorded VDPBF16PS: interpreter, fma and instruction give every bit") {
  std::string bytes = recorded("vdpbf16ps.bin");
  if (bytes.empty()) {
    WARN("skipped: the recorded vectors are not here");
    return;
  }
  REQUIRE(bytes.starts_with("QVDPBF16"));
  struct Record {
    uint32_t mode;
    uint16_t a[32], b[32];
    float acc[16], result[16];
  };
  uint32_t count = 0;
  std::memcpy(&count, bytes.data() + 8, 4);
  REQUIRE(bytes.size() == 12 + count * sizeof(Record));
  for (const Target& target : pairTargets()) {
    std::string contract = target.level;
    for (const std::string& feature : target.features) contract += " + " + feature;
    auto program =
        parseLoops(fmt::format("loops \"pairs\"\nisa {}\nbuffer a : i32 in [16] strides [1]\nbuffer b : i32 in [16] strides [1]\n"
                               "buffer c : f32 in [16] strides [1]\nbuffer out : f32 out [16] strides [1]\nphase task tasks 1 {{\n"
                               "  flushed {{ for j = 0 to 16 step 8 {{ store out[j] = dot_pairs(c[j]:8, a[j]:8, b[j]:8) }} }}\n}}\n",
                               contract),
                   "pairs");
    INFO(contract << (program ? "" : program.error().message));
    REQUIRE(program);
    REQUIRE(verifyLoops(*program));
    JitCode code = compiled(*program);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < count; ++i) {
      Record record{};
      std::memcpy(&record, bytes.data() + 12 + i * sizeof record, sizeof record);
      float native[16], interpreted[16];
      void* buffers[] = {record.a, record.b, record.acc, native};
      QuernArgs args{};
      args.buffers = buffers;
      code.entry(&args, 0, 1);
      LoopArgs given;
      for (void* each :
           {static_cast<void*>(record.a), static_cast<void*>(record.b), static_cast<void*>(record.acc), static_cast<void*>(interpreted)})
        given.buffers.push_back(static_cast<std::byte*>(each));
      REQUIRE(interpret(*program, given));
      for (int j = 0; j < 16; ++j) wrong += !sameNumber(record.result[j], native[j]) || !sameNumber(record.result[j], interpreted[j]);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("recorded TDPBF16PS: order=tile32 gives every bit on every level") {
  std::string bytes = recorded("tdpbf16ps.bin");
  if (bytes.empty()) {
    WARN("skipped: the recorded vectors are not here");
    return;
  }
  REQUIRE(bytes.starts_with("QTDPBF16"));
  struct Record {
    uint32_t mode;
    uint16_t a[16][32], b[16][32];
    float c[16][16], d[16][16];
  };
  uint32_t count = 0;
  std::memcpy(&count, bytes.data() + 8, 4);
  REQUIRE(bytes.size() == 12 + count * sizeof(Record));
  OpDesc desc = op("matmul m=* n=16 k=32 const=b w=bf16 a=bf16 order=tile32 acc=1");
  for (const Target& target : pairTargets()) {
    KernelLibrary library(target, {});
    KernelSet kernel = kernelOf(library, desc);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < count; ++i) {
      Record record{};
      std::memcpy(&record, bytes.data() + 12 + i * sizeof record, sizeof record);
      std::vector<float> a;
      std::vector<uint16_t> b(32 * 16);
      for (auto& row : record.a)
        for (uint16_t each : row) a.push_back(floatOfBfloat(each));
      for (size_t k = 0; k < 32; ++k)
        for (size_t n = 0; n < 16; ++n) b[k * 16 + n] = record.b[k / 2][2 * n + k % 2];
      std::vector<float> out = packedProduct(kernel, 16, 16, a, b.data(), 32, nullptr, {&record.c[0][0], &record.c[0][0] + 256});
      for (size_t j = 0; j < 256; ++j) wrong += !sameNumber((&record.d[0][0])[j], out[j]);
    }
    INFO(target.name);
    CHECK(wrong == 0);
  }
}

TEST_CASE("products of bf16 have the bits of their order on every level") {
  std::mt19937_64 random(11);
  ThreadPool pool(3);
  TaskRunner runner = runnerOf(pool);
  int64_t compared = 0;
  constexpr int64_t n = 53;
  for (const Target& target : pairTargets())
    for (PairOrder order : {PairOrder::Pairs, PairOrder::Tile32})
      for (int64_t k : {1, 31, 64, 97, 160}) {
        KernelLibrary library(target, {});
        OpDesc desc = op(fmt::format("matmul m=* n={} k={} {}const=b w=bf16 a=bf16 order={}", n, k, k % 2 == 0 ? "tb=1 " : "",
                                     order == PairOrder::Pairs ? "pairs" : "tile32"));
        std::vector<std::string> schedules;
        for (const char* keys : {"mr=1 kc=64", "mr=2 mc=6 kc=32 inner=rows", "mr=3 mc=9 nc=96 kc=96 walk=columns prefetch=8"})
          schedules.push_back(fmt::format("{} dots=plain unroll_k=1 nr={} panel={}", keys, target.vectorLanes(), target.vectorLanes()));
        std::vector<KernelSet> kernels = kernelsOf(library, desc, schedules);
        bool instruction = order == PairOrder::Pairs && target.features == std::vector<std::string>{"avx512bf16"};
        CHECK((kernels[0].info().contract.find("avx512bf16") != std::string::npos) == instruction);
        bool columns = std::get<MatmulOp>(desc).tb;
        std::vector<uint16_t> b(static_cast<size_t>(n * k));
        auto some = [&] { return drawn(InputData::ZeroMean, random) * std::ldexp(1.0F, -static_cast<int>(random() % 130)); };
        for (uint16_t& each : b) each = bfloatOfFloat(some());
        // Half way between two of bf16: the even one.
        auto tie = [&] { return std::bit_cast<float>((std::bit_cast<uint32_t>(some()) & 0xffff0000) | 0x8000); };
        for (int64_t m : {1, 2, 5, 17}) {
          std::vector<float> a(static_cast<size_t>(m * k)), expected;
          for (float& each : a) each = random() % 4 == 0 ? tie() : some();
          for (int64_t i = 0; i < m; ++i)
            for (int64_t j = 0; j < n; ++j) {
              std::vector<uint16_t> x, y;
              for (int64_t kk = 0; kk < k; ++kk) {
                x.push_back(bfloatOfFloat(a[static_cast<size_t>(i * k + kk)]));
                y.push_back(b[static_cast<size_t>(columns ? j * k + kk : kk * n + j)]);
              }
              expected.push_back(pairsByDefinition(order, x, y, 0));
            }
          compared += compareProducts(kernels, {m, n, k, a, b.data(), expected}, runner);
        }
      }
  std::cout << compared << " products compared\n";
  REQUIRE(compared > 0);
}
