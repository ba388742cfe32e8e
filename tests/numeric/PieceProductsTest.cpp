// tests/numeric/PieceProductsTest.cpp — products that are sums of products of bf16: their pieces, their bits by definition on every level,
// for any rows, schedule and thread count, and what Inf, NaN and 0 come to.
#include "compiler/schedule/QuernPack.h"
#include "tests/numeric/KernelRuns.h"
#include "tests/numeric/PairDefinition.h"

#include <iostream>

using namespace quern;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

/// hi and lo of a weight of f16: by its definition, in double. Of an Inf the largest number is the next below.
std::array<float, 2> piecesOfHalf(uint16_t half) {
  double x = floatOfHalf(half);
  if (x == 0 || std::isnan(x)) return {static_cast<float>(x), static_cast<float>(x)};
  if (std::isinf(x)) return {std::copysign(0x1.fep127F, static_cast<float>(x)), static_cast<float>(x)};
  int exponent = 0;
  double scaled = std::ldexp(std::frexp(std::fabs(x), &exponent), 8);  // from 128 to below 256
  double below = scaled == 128 ? 127.5 : std::ceil(scaled) - 1;
  auto high = static_cast<float>(std::copysign(std::ldexp(below, exponent - 8), x));
  return {high, static_cast<float>(x - high)};
}

/// The three of a float, in double too.
std::array<float, 3> piecesOfFloat(float x) {
  if (!std::isfinite(x)) return {std::copysign(1.0F, x), 0, x};
  double rest = x;
  std::array<float, 3> pieces{};
  for (float& piece : pieces) {
    if (std::fabs(rest) < 0x1p-126) break;
    int exponent = 0;
    double whole = std::nearbyint(std::ldexp(std::frexp(rest, &exponent), 8));  // eight bits
    double near = std::ldexp(whole, exponent - 8);
    piece = static_cast<float>(std::copysign(std::min(std::fabs(near), 0x1.fep127), rest));
    rest -= piece;
  }
  return pieces;
}

/// A product in bf16 as it is defined for one row and one column.
struct Arithmetic {
  const char* keys;
  Terms terms;
  bool apart;
  std::vector<uint16_t> (*ofA)(float x);
  std::vector<uint16_t> (*ofB)(const void* weight, size_t at);
};

const Arithmetic kHalves = {
    "w=f16 a=bf16",
    {{0, 1}, {0, 0}},
    false,
    [](float x) { return std::vector<uint16_t>{bfloatOfFloat(x)}; },
    [](const void* weight, size_t at) {
      std::vector<uint16_t> pieces;
      for (float piece : piecesOfHalf(static_cast<const uint16_t*>(weight)[at])) pieces.push_back(bfloatOfFloat(piece));
      return pieces;
    },
};

std::vector<uint16_t> threeOf(float x) {
  std::vector<uint16_t> pieces;
  for (float piece : piecesOfFloat(x)) pieces.push_back(bfloatOfFloat(piece));
  return pieces;
}

const Arithmetic kFloats = {
    "a=f32x3",
    {{1, 1}, {0, 2}, {2, 0}, {0, 1}, {1, 0}, {0, 0}},
    true,
    threeOf,
    [](const void* weight, size_t at) { return threeOf(static_cast<const float*>(weight)[at]); },
};

void add(Pieces& to, const std::vector<uint16_t>& pieces) {
  to.resize(pieces.size());
  for (size_t p = 0; p < pieces.size(); ++p) to[p].push_back(pieces[p]);
}

std::vector<float> byDefinition(const Arithmetic& how, PairOrder order, int64_t m, int64_t n, int64_t k, const std::vector<float>& a,
                                const void* weight, bool columns) {
  std::vector<Pieces> rows(static_cast<size_t>(m)), all(static_cast<size_t>(n));
  for (int64_t i = 0; i < m * k; ++i) add(rows[static_cast<size_t>(i / k)], how.ofA(a[static_cast<size_t>(i)]));
  for (int64_t j = 0; j < n; ++j)
    for (int64_t kk = 0; kk < k; ++kk)
      add(all[static_cast<size_t>(j)], how.ofB(weight, static_cast<size_t>(columns ? j * k + kk : kk * n + j)));
  std::vector<float> out;
  for (const Pieces& row : rows)
    for (const Pieces& column : all) out.push_back(sumOfPieces(order, how.terms, how.apart, row, column, 0));
  return out;
}

std::string_view nameOf(PairOrder order) { return order == PairOrder::Pairs ? "pairs" : "tile32"; }

/// Kernels of the op: the default ones, and others of every kind.
std::vector<KernelSet> variantsOf(KernelLibrary& library, const OpDesc& desc) {
  int64_t lanes = library.target().vectorLanes();
  std::vector<std::string> keys = {"mr=1 kc=64", "mr=2 mc=6 kc=32 inner=rows", "mr=3 mc=9 nc=96 kc=96 walk=columns prefetch=8"};
  for (std::string& each : keys) each += " convert=registers prefetch_panel=0";
  if (std::get<MatmulOp>(desc).splitsWeight()) keys.push_back("mr=2 mc=10 nc=64 kc=64 convert=scratch prefetch=0");
  for (std::string& each : keys) each += fmt::format(" dots=plain unroll_k=1 nr={} panel={}", lanes, lanes);
  return kernelsOf(library, desc, keys);
}

/// Numbers of every size: the low bits of many of them come to nothing.
float some(std::mt19937_64& random) { return drawn(InputData::ZeroMean, random) * std::ldexp(1.0F, -static_cast<int>(random() % 130)); }

int64_t comparedOn(const Target& target, const Arithmetic& how, PairOrder order, int64_t k, const void* weight, int64_t n) {
  static ThreadPool pool(3);
  TaskRunner runner = runnerOf(pool);
  std::mt19937_64 random(static_cast<uint64_t>(k));
  KernelLibrary library(target, {});
  bool columns = k % 2 == 0;
  OpDesc desc = op(fmt::format("matmul m=* n={} k={} {}const=b {} order={}", n, k, columns ? "tb=1 " : "", how.keys, nameOf(order)));
  std::vector<KernelSet> kernels = variantsOf(library, desc);
  bool pairs = order == PairOrder::Pairs;
  for (const char* feature : {"avx512bf16", "amx-bf16"}) {
    bool instruction = hasFeature(target, feature) && pairs == (std::string(feature) == "avx512bf16");
    CHECK((kernels[0].info().contract.find(feature) != std::string::npos) == instruction);
  }
  int64_t compared = 0;
  for (int64_t m : {1, 2, 5, 40}) {
    std::vector<float> a(static_cast<size_t>(m * k));
    for (float& each : a) each = some(random);
    std::vector<float> expected = byDefinition(how, order, m, n, k, a, weight, columns);
    for (const KernelSet& kernel : kernels) {
      INFO(kernel.info().op << " | " << kernel.info().schedule << " m=" << m << " on " << target.name);
      CHECK(differing(expected, packedProduct(kernel, m, n, a, weight, k, m % 2 == 0 ? &runner : nullptr)) == "");
      ++compared;
    }
  }
  return compared;
}

/// Values that meet each other: rows of one number each, and a weight of one row.
void checkSpecials(const char* keys, const std::vector<float>& a, const std::vector<float>& b, const void* weight,
                   const std::function<void(float got, float x, float y)>& check) {
  auto m = static_cast<int64_t>(a.size()), n = static_cast<int64_t>(b.size());
  for (const Target& target : pairTargets())
    for (PairOrder order : {PairOrder::Pairs, PairOrder::Tile32}) {
      KernelLibrary library(target, {});
      OpDesc desc = op(fmt::format("matmul m=* n={} k=1 const=b {} order={}", n, keys, nameOf(order)));
      for (const KernelSet& kernel : variantsOf(library, desc)) {
        std::vector<float> out = packedProduct(kernel, m, n, a, weight, 1, nullptr);
        for (int64_t i = 0; i < m; ++i)
          for (int64_t j = 0; j < n; ++j) {
            INFO(kernel.info().op << " | " << kernel.info().schedule << " on " << target.name << ", " << a[static_cast<size_t>(i)] << " x "
                                  << b[static_cast<size_t>(j)]);
            check(out[static_cast<size_t>(i * n + j)], a[static_cast<size_t>(i)], b[static_cast<size_t>(j)]);
          }
      }
    }
}

/// What the definition promises of every half.
void checkPieces() {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    float x = floatOfHalf(static_cast<uint16_t>(bits));
    auto [high, low] = piecesOfHalf(static_cast<uint16_t>(bits));
    if (std::isnan(x)) continue;
    REQUIRE(high + low == x);
    for (float piece : {high, low}) {
      REQUIRE(floatOfBfloat(bfloatOfFloat(piece)) == piece);
      REQUIRE(std::signbit(piece) == std::signbit(x));
      REQUIRE((piece == 0) == (x == 0));
    }
  }
}

}  // namespace

TEST_CASE("products of f16 with bf16 have the bits of their definition on every level") {
  constexpr int64_t n = 53;
  checkPieces();
  std::mt19937_64 random(11);
  int64_t compared = 0;
  for (const Target& target : pairTargets())
    for (PairOrder order : {PairOrder::Pairs, PairOrder::Tile32})
      for (int64_t k : {1, 31, 64, 97, 160}) {
        std::vector<uint16_t> b(static_cast<size_t>(n * k));
        for (uint16_t& each : b) each = static_cast<uint16_t>(random() % 0x7c00 | (random() & 0x8000));  // all finite ones
        compared += comparedOn(target, kHalves, order, k, b.data(), n);
      }
  std::cout << compared << " products compared\n";
  REQUIRE(compared > 0);
}

TEST_CASE("a float is the sum of three bf16") {
  std::mt19937_64 random(3);
  std::vector<float> values = {0, -0.0F, 1, kInf, -kInf, kNan, 0x1p-126F, 0x1.fffffep-127F, 0x1.000002p-126F, 0x1.fffffep-120F};
  for (uint32_t size : {0x7f7fffffU, 0x7f7f8000U, 0x7f7f7fffU, 0x7f7f0000U, 0x3f808000U, 0x3f818000U, 0x3f7fffffU})
    for (uint32_t sign : {0U, 0x80000000U}) values.push_back(std::bit_cast<float>(size | sign));
  for (int i = 0; i < 300000; ++i) values.push_back(std::bit_cast<float>(static_cast<uint32_t>(random())));
  for (float x : values) {
    std::array<float, 3> pieces = piecesOfFloat(x);
    uint16_t packed[3];
    quern_three_bfloats(&x, packed);
    INFO(x);
    for (size_t i = 0; i < 3; ++i) {
      float piece = floatOfBfloat(packed[i]);
      REQUIRE((piece == pieces[i] || (std::isnan(piece) && std::isnan(pieces[i]))));
    }
    if (!std::isfinite(x)) continue;
    double sum = double{pieces[0]} + pieces[1] + pieces[2];
    REQUIRE(std::fabs(sum - x) < 0x1p-126);
    if (std::fabs(x) >= 0x1p-103F) REQUIRE(sum == x);
  }
}

TEST_CASE("a weight of f32 packed in three words holds what was stored") {
  for (int64_t k : {1, 2, 37})
    for (bool transposed : {false, true}) {
      constexpr int64_t n = 21;
      std::mt19937_64 random(5);
      std::vector<float> stored(static_cast<size_t>(n * k)), column(static_cast<size_t>(k));
      for (float& each : stored) each = drawn(InputData::ZeroMean, random);
      stored[0] = -kInf;
      PackLayout layout{16, k, n, 1, transposed, ElementType::F32, true};
      CHECK(layout.bytes() == 2 * 16 * (k + k % 2) * 6);
      std::vector<std::byte> packed(static_cast<size_t>(layout.bytes()), std::byte{0x5a});
      packWeight(layout, stored.data(), packed.data());
      for (int64_t c = 0; c < n; ++c) {
        packedColumn(layout, packed.data(), c, column.data());
        for (int64_t kk = 0; kk < k; ++kk)
          CHECK(column[static_cast<size_t>(kk)] == stored[static_cast<size_t>(transposed ? c * k + kk : kk * n + c)]);
      }
      QuernPack plain{16, k, n, 1, transposed ? 1 : 0, QUERN_F32, 1};
      std::vector<std::byte> again(static_cast<size_t>(quern_packed_bytes(&plain)), std::byte{0x5a});
      quern_pack_weight(&plain, again.data(), stored.data());
      CHECK(again == packed);
    }
}

TEST_CASE("products of f32 by six of bf16 have the bits of their definition on every level") {
  constexpr int64_t n = 37;
  std::mt19937_64 random(11);
  int64_t compared = 0;
  for (const Target& target : pairTargets())
    for (PairOrder order : {PairOrder::Pairs, PairOrder::Tile32})
      for (int64_t k : {1, 31, 64, 97}) {
        std::vector<float> b(static_cast<size_t>(n * k));
        for (float& each : b) each = some(random);
        compared += comparedOn(target, kFloats, order, k, b.data(), n);
      }
  std::cout << compared << " products compared\n";
  REQUIRE(compared > 0);
}

TEST_CASE("products of f32 by six of bf16 err as little as is promised, those of two numbers as those of f32") {
  constexpr int64_t n = 24, m = 16;
  constexpr double kUnit = 0x1p-24;
  std::mt19937_64 random(17);
  for (PairOrder order : {PairOrder::Pairs, PairOrder::Tile32})
    for (int64_t k : {1, 40, 700}) {
      std::vector<float> a(static_cast<size_t>(m * k)), w(static_cast<size_t>(n * k));
      for (float& each : a) each = drawn(InputData::Unit, random);
      for (float& each : w) each = drawn(k == 40 ? InputData::ZeroMean : InputData::Unit, random);
      KernelLibrary library(hostTarget(), {});
      KernelSet kernel = kernelOf(library, op(fmt::format("matmul m=* n={} k={} tb=1 const=b a=f32x3 order={}", n, k, nameOf(order))));
      std::vector<float> out = packedProduct(kernel, m, n, a, w.data(), k, nullptr);
      double worst = 0;
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
          double exact = 0, size = 0;
          for (int64_t at = 0; at < k; ++at) {
            double product = double{a[static_cast<size_t>(i * k + at)]} * w[static_cast<size_t>(j * k + at)];
            exact += product, size += std::fabs(product);
          }
          worst = std::max(worst, std::fabs(out[static_cast<size_t>(i * n + j)] - exact) / size);
        }
      INFO(nameOf(order) << " k=" << k << " errs " << worst / kUnit << " u");
      CHECK(worst <= (k == 1 ? 2.5 : 1.5 * static_cast<double>(k) + 26) * kUnit);
      CHECK(worst > 0);
    }
}

TEST_CASE("six products are Inf, NaN or a number where one is") {
  constexpr float kMost = std::numeric_limits<float>::max();
  std::vector<float> values = {0, -0.0F, 1, -3, kInf, -kInf, kNan, 1e-40F, kMost, -kMost, 0x1p-126F, -0x1p60F, 0x1p-80F, 0.7F};
  checkSpecials("a=f32x3", values, values, values.data(), [](float got, float x, float y) {
    auto flushed = [](float given) { return double{std::fabs(given) < 0x1p-126F ? std::copysign(0.0F, given) : given}; };
    double exact = flushed(x) * flushed(y);
    if (std::isnan(exact)) CHECK(std::isnan(got));
    else if (std::isinf(exact)) CHECK(got == static_cast<float>(exact));
    else if (std::fabs(exact) >= 0x1p135) CHECK_FALSE(std::isfinite(got));
    else if (std::fabs(exact) >= 0x1p128) CHECK(got == std::copysign(kInf, static_cast<float>(exact)));
    else CHECK(std::fabs(got - exact) <= 0x1.4p-23 * std::fabs(exact) + 0x1p-126 * (std::fabs(x) + std::fabs(y) + 8));
  });
}

TEST_CASE("two products with a half are Inf, NaN or a number where one is") {
  std::vector<uint16_t> halves = {0, 0x8000, 0x3c00, 0xc200, 0x7c00, 0xfc00, 0x7e01, 0x0001, 0x8003, 0x7bff, 0x3555};
  std::vector<float> b;
  for (uint16_t half : halves) b.push_back(floatOfHalf(half));
  checkSpecials("w=f16 a=bf16", {0, -0.0F, 1, -3, kInf, -kInf, kNan, 1e-40F, std::numeric_limits<float>::max(), 0x1p-80F, 0.7F}, b,
                halves.data(), [](float got, float x, float y) {
                  float rounded = floatOfBfloat(bfloatOfFloat(x));
                  double exact = double{std::fabs(rounded) < 0x1p-126F ? 0 : rounded} * y;
                  if (std::isnan(exact)) CHECK(std::isnan(got));
                  else CHECK(got == static_cast<float>(exact));
                });
}
