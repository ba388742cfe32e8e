// tests/numeric/AttentionMoreTest.cpp — batches, lengths, masks, caps and other widths of values, each against attention that does without:
// the same bits wherever both say the same.
#include "tests/numeric/AttentionPrompt.h"

#include <cmath>
#include <iostream>
#include <limits>
#include <random>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 71;
constexpr float kInf = std::numeric_limits<float>::infinity();

/// Numbers of one run, dense, in the order of the op's inputs.
struct Operands {
  std::vector<std::vector<float>> floats;
  std::vector<int32_t> lens;
};

Operands drawnFor(const OpDesc& bound, uint64_t seed) {
  std::mt19937_64 random(seed);
  Operands all;
  for (const TensorSpec& spec : inputsOf(bound)) {
    if (spec.type == ElementType::I32) {
      for (int64_t i = 0; i < spec.elements(); ++i)
        all.lens.push_back(static_cast<int32_t>(random() % static_cast<uint64_t>(spec.whole.below)));
      continue;
    }
    all.floats.emplace_back(static_cast<size_t>(spec.elements()));
    for (float& x : all.floats.back()) x = static_cast<float>(static_cast<double>(random() >> 11) * 0x1p-52 - 1);
  }
  return all;
}

std::vector<float> run(const KernelSet& kernel, const OpDesc& desc, const DimValues& dims, const Operands& operands,
                       const CheckRun& how = {}) {
  CheckInputs inputs{fixed(desc, dims), {}, {}};
  size_t next = 0;
  for (const TensorSpec& spec : inputsOf(inputs.op)) {
    const void* data = spec.type == ElementType::I32 ? static_cast<const void*>(operands.lens.data()) : operands.floats[next++].data();
    inputs.tensors.push_back({data, spec.extents()});
  }
  auto got = runKernel(kernel, inputs, dims, how);
  REQUIRE(got);
  return *got;
}

/// Rows [begin, end) of so many elements each.
std::vector<float> part(const std::vector<float>& of, int64_t begin, int64_t end, int64_t each) {
  return {of.begin() + begin * each, of.begin() + end * each};
}

/// The default, and some drawn.
std::vector<KernelSet> kernelsFor(KernelLibrary& library, const OpDesc& desc, int count) {
  std::vector<KernelSet> kernels = {kernelOf(library, desc)};
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < count; ++i) {
    auto kernel = library.get(desc, drawnSchedule(desc, library.target(), random));
    REQUIRE(kernel);
    kernels.push_back(*kernel);
  }
  return kernels;
}

constexpr int64_t kHeads = 4, kGroups = 2, kWidth = 20;
const char* const kForm = "attention heads=4 kv_heads=2 head_dim=20 q=* kv=* ";

}  // namespace

TEST_CASE("of a batch each has the bits that it has alone, with as many keys as its length says") {
  constexpr int64_t kBatch = 4, kQueries = 3, kKeys = 2100;  // keys of two segments
  const int32_t kLens[kBatch] = {kKeys, 2049, 70, 0};
  for (const Target& target : runnableLevels()) {
    KernelLibrary library(target, {});
    for (const char* causal : {"", "causal=1", "causal=topleft"})
      for (bool lengths : {false, true}) {
        OpDesc alone = op(std::string(kForm) + causal), many = op(std::string(kForm) + causal + " batch=*" + (lengths ? " lens=1" : ""));
        DimValues dims = {{"q", kQueries}, {"kv", kKeys}, {"batch", kBatch}};
        Operands all = drawnFor(fixed(many, dims), kSeed);
        if (lengths) all.lens.assign(kLens, kLens + kBatch);
        KernelSet one = kernelOf(library, alone);
        std::vector<float> expected;
        for (int64_t b = 0; b < kBatch; ++b) {
          int64_t keys = lengths ? kLens[b] : kKeys, row = kGroups * kWidth;
          Operands own{{part(all.floats[0], b * kQueries, (b + 1) * kQueries, kHeads * kWidth)}, {}};
          for (size_t i : {1, 2}) own.floats.push_back(part(all.floats[i], b * kKeys, b * kKeys + keys, row));
          std::vector<float> got = run(one, alone, {{"q", kQueries}, {"kv", keys}}, own);
          expected.insert(expected.end(), got.begin(), got.end());
          // What lies beyond a length is nobody's.
          for (size_t i : {1, 2})
            for (int64_t e = (b * kKeys + keys) * row; e < (b + 1) * kKeys * row; ++e) all.floats[i][static_cast<size_t>(e)] = NAN;
        }
        for (const KernelSet& kernel : kernelsFor(library, many, 2)) {
          INFO(text(many) << " [" << kernel.info().schedule << "] on " << target.name);
          CHECK(differing(expected, run(kernel, many, dims, all)) == "");
          CHECK(differing(expected, run(kernel, many, dims, all, {InputData::ZeroMean, 1, Flush::Begin, 3})) == "");
        }
      }
  }
}

TEST_CASE("lengths out of range are the nearest in it") {
  KernelLibrary library(hostTarget(), {});
  OpDesc desc = op(std::string(kForm) + "batch=2 lens=1");
  DimValues dims = {{"q", 3}, {"kv", 9}};
  Operands all = drawnFor(fixed(desc, dims), kSeed), wild = all;
  all.lens = {0, 9};
  wild.lens = {-5, 1 << 30};
  KernelSet kernel = kernelOf(library, desc);
  std::vector<float> right = run(kernel, desc, dims, all);
  CHECK(std::all_of(right.begin(), right.begin() + 3 * kHeads * kWidth, [](float x) { return x == 0; }));
  CHECK(differing(right, run(kernel, desc, dims, wild)) == "");
}

TEST_CASE("a mask of -inf gives the bits of attention that does not see those keys") {
  constexpr int64_t kQueries = 5, kKeys = 2100;
  for (const Target& target : runnableLevels()) {
    KernelLibrary library(target, {});
    OpDesc causal = op(std::string(kForm) + "causal=1"), masked = op(std::string(kForm) + "mask=*x*");
    DimValues dims = {{"q", kQueries}, {"kv", kKeys}};
    Operands all = drawnFor(fixed(causal, dims), kSeed);
    std::vector<float> right = run(kernelOf(library, causal), causal, dims, all);
    all.floats.emplace_back();
    for (int64_t i = 0; i < kQueries; ++i)
      for (int64_t j = 0; j < kKeys; ++j) all.floats[3].push_back(j <= i + kKeys - kQueries ? 0 : -kInf);
    for (const KernelSet& kernel : kernelsFor(library, masked, 3)) {
      INFO("[" << kernel.info().schedule << "] on " << target.name);
      CHECK(differing(right, run(kernel, masked, dims, all)) == "");
      // A row that sees nothing is zeros, and none but it.
      Operands none = all;
      std::fill_n(none.floats[3].begin() + 2 * kKeys, kKeys, -kInf);
      std::vector<float> got = run(kernel, masked, dims, none), expected = right;
      std::fill_n(expected.begin() + 2 * kHeads * kWidth, kHeads * kWidth, 0.0f);
      CHECK(differing(expected, got) == "");
      for (float value : {kInf, -kInf, static_cast<float>(NAN)}) {  // values of nobody, also of a row that has none
        Operands wild = none;
        for (float& x : wild.floats[2]) x = value;
        std::vector<float> spoilt = run(kernel, masked, dims, wild);
        CHECK(std::all_of(spoilt.begin() + 2 * kHeads * kWidth, spoilt.begin() + 3 * kHeads * kWidth, [](float x) { return x == 0; }));
        CHECK(std::all_of(spoilt.begin(), spoilt.begin() + 2 * kHeads * kWidth, [](float x) { return !std::isfinite(x); }));
      }
    }
  }
}

TEST_CASE("a mask that broadcasts is the mask that it stands for, row by row") {
  constexpr int64_t kBatch = 2, kQueries = 7, kKeys = 90;
  KernelLibrary library(hostTarget(), {});
  OpDesc whole = op(std::string(kForm) + "batch=2 mask=2x4x*x* softcap=3 causal=1");
  DimValues dims = {{"q", kQueries}, {"kv", kKeys}};
  const int64_t full[] = {kBatch, kHeads, kQueries, kKeys};
  // Of one head and one of the batch, alone.
  OpDesc alone = op("attention heads=1 head_dim=20 q=* kv=* mask=*x* softcap=3 causal=1");
  Operands drawn = drawnFor(fixed(whole, dims), kSeed);
  std::vector<float> of = run(kernelOf(library, whole), whole, dims, drawn);
  auto rowsOf = [](const std::vector<float>& from, int64_t batch, int64_t tokens, int64_t heads, int64_t head) {
    std::vector<float> rows;
    for (int64_t t = batch * tokens; t < (batch + 1) * tokens; ++t)
      for (float x : part(from, t * heads + head, t * heads + head + 1, kWidth)) rows.push_back(x);
    return rows;
  };
  for (int64_t b = 0; b < kBatch; ++b)
    for (int64_t h = 0; h < kHeads; ++h) {
      int64_t g = h / (kHeads / kGroups), scores = b * kHeads + h;
      Operands own{{rowsOf(drawn.floats[0], b, kQueries, kHeads, h), rowsOf(drawn.floats[1], b, kKeys, kGroups, g),
                    rowsOf(drawn.floats[2], b, kKeys, kGroups, g), part(drawn.floats[3], scores, scores + 1, kQueries * kKeys)},
                   {}};
      CHECK(differing(rowsOf(of, b, kQueries, kHeads, h), run(kernelOf(library, alone), alone, {{"q", kQueries}, {"kv", kKeys}}, own)) ==
            "");
    }
  for (const char* shape : {"*x*", "1x*", "*x1", "1x1", "4x*x*", "4x1x*", "1x*x*", "2x1x1x*", "2x4x*x1", "1x4x*x*", "2x1x*x*"}) {
    OpDesc some = op(fmt::format("{}batch=2 mask={} softcap=3 causal=1", kForm, shape));
    Operands own = drawnFor(fixed(some, dims), kSeed), all = own;
    std::vector<TensorDim> axes = inputsOf(fixed(some, dims))[3].dims;
    all.floats[3].clear();
    for (int64_t at = 0; at < kBatch * kHeads * kQueries * kKeys; ++at) {
      int64_t rest = at, places[4];
      for (int i = 3; i >= 0; rest /= full[i--]) places[i] = rest % full[i];
      int64_t from = 0;
      for (size_t i = 0; i < axes.size(); ++i) from = from * axes[i].value + (axes[i].value == 1 ? 0 : places[4 - axes.size() + i]);
      all.floats[3].push_back(own.floats[3][static_cast<size_t>(from)]);
    }
    KernelSet kernel = kernelOf(library, some);
    std::vector<float> right = run(kernelOf(library, whole), whole, dims, all);
    INFO(text(some));
    CHECK(differing(right, run(kernel, some, dims, own)) == "");
    CHECK(differing(right, run(kernel, some, dims, own, {InputData::ZeroMean, 1, Flush::End, 5})) == "");
  }
}

TEST_CASE("columns of values know nothing of each other") {
  constexpr int64_t kQueries = 3, kKeys = 2100;
  for (const Target& target : runnableLevels()) {
    KernelLibrary library(target, {});
    OpDesc wide = op(std::string(kForm) + "causal=1 v_dim=37"), plain = op(std::string(kForm) + "causal=1"),
           narrow = op(std::string(kForm) + "causal=1 v_dim=3");
    DimValues dims = {{"q", kQueries}, {"kv", kKeys}};
    Operands all = drawnFor(fixed(wide, dims), kSeed);
    std::vector<float> of = run(kernelOf(library, wide), wide, dims, all);
    for (const auto& [desc, width] : {std::pair{wide, 37}, {plain, 20}, {narrow, 3}}) {
      auto columns = [&, count = width](const std::vector<float>& rows) {
        std::vector<float> some;
        for (size_t at = 0; at < rows.size(); at += 37)
          some.insert(some.end(), rows.begin() + static_cast<std::ptrdiff_t>(at), rows.begin() + static_cast<std::ptrdiff_t>(at) + count);
        return some;
      };
      Operands own = all;
      own.floats[2] = columns(all.floats[2]);
      for (const KernelSet& kernel : kernelsFor(library, desc, 2)) {
        INFO(text(desc) << " [" << kernel.info().schedule << "] on " << target.name);
        CHECK(differing(columns(of), run(kernel, desc, dims, own)) == "");
      }
    }
  }
}

TEST_CASE("levels, schedules and chunks of rows give the same bits with a cap and a mask") {
  constexpr int64_t kQueries = 6, kKeys = 2100;
  OpDesc desc = op(std::string(kForm) + "softcap=5 mask=4x*x* scale=3");
  DimValues dims = {{"q", kQueries}, {"kv", kKeys}};
  Operands all = drawnFor(fixed(desc, dims), kSeed);
  std::vector<float> withFma;
  for (const Target& target : runnableLevels()) {
    KernelLibrary library(target, {});
    std::vector<float> right;
    for (const KernelSet& kernel : kernelsFor(library, desc, 4)) {
      std::vector<float> got = run(kernel, desc, dims, all);
      INFO("[" << kernel.info().schedule << "] on " << target.name);
      if (right.empty()) right = got;
      CHECK(differing(right, got) == "");
      for (auto [begin, end] : {std::pair<int64_t, int64_t>{0, 1}, {1, 3}, {3, 6}}) {
        Operands own = all;
        own.floats[0] = part(all.floats[0], begin, end, kHeads * kWidth);
        own.floats[3].clear();
        for (int64_t h = 0; h < kHeads; ++h)
          for (float x : part(all.floats[3], h * kQueries + begin, h * kQueries + end, kKeys)) own.floats[3].push_back(x);
        CHECK(differing(part(right, begin, end, kHeads * kWidth), run(kernel, desc, {{"q", end - begin}, {"kv", kKeys}}, own)) == "");
      }
    }
    if (!target.isa().fma) continue;
    if (withFma.empty()) withFma = right;
    CHECK(differing(withFma, right) == "");
  }
}

TEST_CASE("a cap bounds any score") {
  KernelLibrary library(hostTarget(), {});
  OpDesc desc = op("attention heads=1 head_dim=1 v_dim=2 q=1 kv=3 scale=1 softcap=4");
  KernelSet kernel = kernelOf(library, desc);
  auto of = [&](float k0, float k1, float k2) { return run(kernel, desc, {}, {{{1}, {k0, k1, k2}, {1, 0, 0, 1, 0, 0}}, {}}); };
  float most = std::numeric_limits<float>::max();
  for (float top : {kInf, most, 1e5f}) {
    std::vector<float> got = of(top, -top, 0);
    double high = std::exp(4.0), low = std::exp(-4.0), sum = high + low + 1;
    CHECK(std::fabs(got[0] - high / sum) < 1e-5);
    CHECK(std::fabs(got[1] - low / sum) < 1e-6);
  }
  double high = std::exp(4 * std::tanh(0.5)), low = std::exp(4 * std::tanh(-0.25));
  std::vector<float> got = of(2, -1, 0);
  CHECK(std::fabs(got[0] - high / (high + low + 1)) < 2e-6);
  CHECK(std::fabs(got[1] - low / (high + low + 1)) < 2e-6);
  CHECK(std::isnan(of(NAN, 0, 0)[0]));
}
