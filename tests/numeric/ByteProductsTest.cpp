// tests/numeric/ByteProductsTest.cpp — a=i8: rows coded as defined, packed words lose nothing, and products have the bits of the definition
// on every level, with every instruction for them that is here, for any rows, schedule and thread count.
#include "compiler/loops/Lower.h"
#include "compiler/op/BlockValues.h"
#include "compiler/schedule/QuernPack.h"
#include "tests/numeric/Interpreted.h"
#include "tests/numeric/KernelRuns.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>

using namespace quern;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

/// Rows of A, a weight stored [n,k] with its scales, drawn.
struct Product {
  int64_t m, n, k;
  std::vector<float> a, scales, c;
  std::vector<int8_t> w;

  Product(int64_t rows, int64_t columns, int64_t depth, uint64_t seed) : m(rows), n(columns), k(depth) {
    std::mt19937_64 random(seed);
    for (int64_t i = 0; i < m * k; ++i) a.push_back(drawn(InputData::ZeroMean, random) * std::ldexp(1.0F, static_cast<int>(random() % 8)));
    for (int64_t i = 0; i < n * k; ++i) w.push_back(static_cast<int8_t>(random() % 8 == 0 ? -128 : static_cast<int>(random() % 256) - 128));
    for (int64_t j = 0; j < n; ++j) scales.push_back(drawn(InputData::ZeroMean, random) / 64);
    for (int64_t i = 0; i < m * n; ++i) c.push_back(drawn(InputData::ZeroMean, random));
  }

  /// One output as op/MatmulOp.h has it, onto `start`.
  float byDefinition(int64_t i, int64_t j, float start) const {
    std::vector<int> codes(static_cast<size_t>(k));
    float scale = codedRow(a.data() + i * k, k, codes.data());
    int64_t dot = 0;
    for (int64_t at = 0; at < k; ++at) dot += codes[static_cast<size_t>(at)] * int64_t{w[static_cast<size_t>(j * k + at)]};
    REQUIRE(dot == static_cast<int32_t>(dot));
    return std::fmaf(static_cast<float>(dot), scale * scales[static_cast<size_t>(j)], start);
  }
  std::vector<float> expected(bool added) const {
    std::vector<float> out;
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) out.push_back(byDefinition(i, j, added ? c[out.size()] : 0));
    return out;
  }
  /// The weight as the op has it stored.
  std::vector<int8_t> stored(bool transposed) const {
    if (transposed) return w;
    std::vector<int8_t> turned(w.size());
    for (int64_t j = 0; j < n; ++j)
      for (int64_t at = 0; at < k; ++at) turned[static_cast<size_t>(at * n + j)] = w[static_cast<size_t>(j * k + at)];
    return turned;
  }
  std::vector<float> run(const KernelSet& kernel, const TaskRunner* runner, bool added = false) const {
    const PackLayout& layout = *kernel.packing();
    std::vector<std::byte> packed(static_cast<size_t>(layout.bytes()), std::byte{0x5a});
    packWeight(layout, stored(layout.transposed).data(), packed.data());
    std::vector<float> out = added ? c : std::vector<float>(static_cast<size_t>(m * n), NAN);
    const int64_t dims[] = {m};
    const Operand operands[] = {{a.data(), {k}}, {packed.data(), {}}, {scales.data(), {}}, {out.data(), {n}}};
    auto call = KernelCall::make(kernel, dims, operands, 3);
    REQUIRE(call);
    if (runner == nullptr) call->run();
    else call->run(*runner);
    return out;
  }
};

/// The levels of this host, and each with what it has for dots of bytes.
std::vector<Target> byteTargets() {
  std::vector<Target> targets = runnableLevels();
  Target host = hostTarget();
  for (const char* given : {"wide level=x86-64-v4 features=avx512vnni", "vex level=x86-64-v3 features=avxvnni"}) {
    Target target = *parseTarget(given);
    if (host.lackingFor(target).empty()) targets.push_back(target);
  }
  Target units = *parseTarget("units level=x86-64-v4 features=amx-int8,amx-tile,avx512vnni");
  if (host.lackingFor(units).empty()) targets.push_back(units);
  else WARN("not on matrix units: this machine has no AMX");
  return targets;
}

/// The kernel of the default schedule, and of others that differ in tile, panel, walk and instruction.
std::vector<KernelSet> variantsOf(KernelLibrary& library, const OpDesc& desc) {
  int64_t lanes = library.target().vectorLanes();
  std::vector<std::string> schedules = {fmt::format("dots=plain mr=1 unroll_k=3 nr={} panel={}", 2 * lanes, lanes)};
  bool units = hasFeature(library.target(), "amx-int8");
  for (const char* keys : {"dots=plain mr=2 mc=6 inner=rows prefetch=64 walk=columns unroll_k=1", "dots=plain mr=3 mc=9 nc=96 unroll_k=4",
                           units ? "mr=32 mc=32 walk=halves" : "mr=2 mc=4 unroll_k=2 walk=halves"})
    schedules.push_back(fmt::format("{} nr={} panel={}", keys, lanes, lanes));
  return kernelsOf(library, desc, schedules);
}

}  // namespace

TEST_CASE("a row becomes codes and one scale") {
  std::vector<float> x(37, 0.0F);
  std::vector<int> codes(37, 9);
  CHECK(codedRow(x.data(), 37, codes.data()) == 0);
  CHECK(codes == std::vector<int>(37, 0));
  x[36] = -127, x[8] = 63.5F, x[9] = 0.5F, x[10] = 1.5F;
  CHECK(codedRow(x.data(), 37, codes.data()) == 127 * 0x1.020408p-7F);
  CHECK(codes[36] == -127);
  CHECK(codes[8] == 64);  // ties to even
  CHECK(codes[9] == 0);
  CHECK(codes[10] == 2);
  CodedBlock block = codedBlock(x.data() + 5);
  CHECK(codedRow(x.data() + 5, 32, codes.data()) == block.scale);
  CHECK(std::equal(std::begin(block.codes), std::end(block.codes), codes.begin()));
  for (float bad : {kInf, -kInf, kNan}) {
    std::vector<float> y = x;
    y[35] = bad;
    CHECK(std::isnan(codedRow(y.data(), 37, codes.data())));
    CHECK(codes == std::vector<int>(37, 0));
  }
  std::fill(x.begin(), x.end(), 0x1.fffffep-121F);
  CHECK(codedRow(x.data(), 37, codes.data()) == 0);
  x[0] = 0x1p-120F;
  codedRow(x.data(), 37, codes.data());
  CHECK(codes[0] == 127);
  CHECK(codedRow(x.data(), 0, codes.data()) == 0);
}

TEST_CASE("a weight of bytes packed in words holds what was stored, and zero bytes beyond") {
  constexpr int64_t n = 21;
  for (int64_t k : {1, 4, 15, 16, 17, 37, 64})
    for (bool transposed : {false, true})
      for (int64_t panel : {4, 16, 48}) {
        Product product(1, n, k, 5);
        PackLayout layout{panel, k, n, 1, transposed, ElementType::I8, true};
        auto back = parsePackLayout(text(layout));
        REQUIRE(back);
        CHECK(*back == layout);
        std::vector<std::byte> packed(static_cast<size_t>(layout.bytes()), std::byte{0x5a}), inC = packed;
        packWeight(layout, product.stored(transposed).data(), packed.data());
        INFO(text(layout));
        const QuernPack pack = {panel, k, n, 1, transposed ? 1 : 0, QUERN_I8, 1};
        REQUIRE(quern_packed_bytes(&pack) == layout.bytes());
        quern_pack_weight(&pack, inC.data(), product.stored(transposed).data());
        CHECK(packed == inC);
        std::vector<float> column(static_cast<size_t>(k));
        for (int64_t c = 0; c < n; ++c) {
          packedColumn(layout, packed.data(), c, column.data());
          for (int64_t at = 0; at < k; ++at) CHECK(column[static_cast<size_t>(at)] == product.w[static_cast<size_t>(c * k + at)]);
        }
        int64_t bytes = n * k;  // each of the weight's is q + 128, which is 0 for -128 alone
        for (std::byte each : packed) bytes -= each != std::byte{0} ? 1 : 0;
        CHECK(bytes == std::count(product.w.begin(), product.w.end(), int8_t{-128}));
      }
}

TEST_CASE("products of bytes have the bits of their definition on every level") {
  int64_t compared = 0;
  ThreadPool pool(3);
  TaskRunner runner = runnerOf(pool);
  for (const Target& target : byteTargets()) {
    KernelLibrary library(target, {});
    for (const auto& [n, k, more] : {std::tuple{53, 512, "tb=1"}, {20, 37, ""}, {7, 3, "tb=1 acc=1"}, {130, 80, "acc=1"}}) {
      OpDesc desc = op(fmt::format("matmul m=* n={} k={} const=b w=i8 a=i8 {}", n, k, more));
      std::vector<KernelSet> kernels = variantsOf(library, desc);
      const std::string usual = kernels[0].info().contract, plain = kernels[1].info().contract;
      if (hasFeature(target, "amx-int8")) CHECK(usual.find("amx-int8") != std::string::npos);
      else CHECK((usual.find("vnni") != std::string::npos) == !target.features.empty());
      CHECK(plain == target.level);
      bool added = std::get<MatmulOp>(desc).acc;
      for (int64_t m : {1, 2, 5, 17, 40}) {
        Product product(m, n, k, static_cast<uint64_t>(m + k));
        if (m > 1) std::fill_n(product.a.begin() + (m - 1) * k, k, 0.0F);  // a row without codes
        std::vector<float> expected = product.expected(added);
        for (const KernelSet& kernel : kernels) {
          INFO(kernel.info().op << " | " << kernel.info().schedule << " m=" << m << " on " << target.name);
          CHECK(differing(expected, product.run(kernel, m % 2 == 0 ? &runner : nullptr, added)) == "");
          ++compared;
        }
      }
    }
  }
  std::cout << compared << " products compared\n";
  REQUIRE(compared > 0);
}

TEST_CASE("the interpreter computes products of bytes with the bits of every instruction for them") {
  for (const Target& target : byteTargets())
    for (const char* given :
         {"matmul m=5 n=37 k=70 const=b w=i8 a=i8 ep=bias+gelu_tanh", "matmul m=3 n=20 k=16 const=b tb=1 w=i8 a=i8 batch=2"}) {
      KernelLibrary library(target, {});
      OpDesc desc = op(given);
      Schedule chosen = defaultSchedule(desc, target);
      auto program = lower(desc, chosen, target);
      REQUIRE(program);
      auto kernel = library.get(desc, chosen);
      REQUIRE(kernel);
      CheckRun run{InputData::ZeroMean, 43, Flush::End, 0};
      auto native = runKernel(*kernel, makeInputs(desc, run.data, run.seed), {}, run);
      REQUIRE(native);
      INFO(given << " on " << target.name);
      CHECK(differing(*native, interpreted(*program, (*kernel)->info, desc, {}, run)) == "");
    }
}

TEST_CASE("a sum of bytes is exact to the largest depth") {
  constexpr int64_t k = MatmulOp::kMostWholeDepth;
  OpDesc desc = op(fmt::format("matmul m=* n=3 k={} const=b tb=1 w=i8 a=i8", k));
  Product product(2, 3, k, 1);
  std::fill(product.a.begin(), product.a.end(), 1.0F);
  std::fill(product.w.begin(), product.w.end(), int8_t{-128});
  std::fill_n(product.w.begin(), k, int8_t{127});
  std::fill(product.scales.begin(), product.scales.end(), 1.0F);
  std::vector<float> expected = product.expected(false);
  CHECK(expected[1] == std::fmaf(-128.0F * 127 * static_cast<float>(k), 0x1.020408p-7F, 0.0F));
  for (const Target& target : byteTargets()) {
    KernelLibrary library(target, {});
    INFO(target.name);
    CHECK(differing(expected, product.run(kernelOf(library, desc), nullptr)) == "");
  }
}

TEST_CASE("a row of bytes that cannot be coded is NaN, the others are what they are alone") {
  constexpr int64_t n = 20, k = 69;
  for (const Target& target : byteTargets()) {
    KernelLibrary library(target, {});
    KernelSet kernel = kernelOf(library, op("matmul m=* n=20 k=69 const=b tb=1 w=i8 a=i8"));
    Product product(4, n, k, 3);
    std::vector<float> clean = product.run(kernel, nullptr);
    product.a[1 * k + 68] = kInf, product.a[3 * k + 3] = kNan;
    std::vector<float> dirty = product.run(kernel, nullptr);
    INFO(target.name);
    for (size_t i = 0; i < clean.size(); ++i) {
      if (i / n % 2 == 1) CHECK(std::isnan(dirty[i]));
      else CHECK(std::memcmp(&clean[i], &dirty[i], 4) == 0);
    }
  }
}

TEST_CASE("rounding rows to bytes errs as little as is promised, and does round") {
  constexpr int64_t n = 24, k = 500, m = 8;
  Product product(m, n, k, 17);
  KernelLibrary library(hostTarget(), {});
  std::vector<float> fast = product.run(kernelOf(library, op("matmul m=* n=24 k=500 const=b tb=1 w=i8 a=i8")), nullptr);
  bool differs = false;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double exact = 0, amax = 0, weights = 0, magnitude = 0;
      for (int64_t at = 0; at < k; ++at) {
        double x = product.a[static_cast<size_t>(i * k + at)],
               y = double{product.scales[static_cast<size_t>(j)]} * product.w[static_cast<size_t>(j * k + at)];
        exact += x * y, magnitude += std::fabs(x * y), weights += std::fabs(y), amax = std::max(amax, std::fabs(x));
      }
      double error = std::fabs(fast[static_cast<size_t>(i * n + j)] - exact);
      CHECK(error <= amax / 254 * weights * (1 + 0x1p-20) + 4 * 0x1p-23 * magnitude);
      differs = differs || error > 4 * 0x1p-23 * magnitude;
    }
  CHECK(differs);
}
