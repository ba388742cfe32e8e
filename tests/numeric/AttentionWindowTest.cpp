// tests/numeric/AttentionWindowTest.cpp — attention that sees only the last keys: the bits of a mask that hides the others, which are not
// there at all.
#include "tests/numeric/AttentionPrompt.h"

#include <cmath>
#include <limits>
#include <random>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 83;
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr int64_t kHeads = 4, kWidth = 20;

/// As a Prompt takes it, and the op's whole text.
std::string keysOf(const std::string& more) { return "heads=4 kv_heads=2 head_dim=20 " + more; }
std::string form(const std::string& more) { return "attention q=* kv=* " + keysOf(more); }

template <class T>
T gotten(Result<T> result) {
  INFO((result ? "" : result.error().message));
  REQUIRE(result);
  return std::move(*result);
}

/// The default, and some drawn.
std::vector<KernelSet> kernelsFor(KernelLibrary& library, const OpDesc& desc, int count) {
  std::vector<KernelSet> kernels = {kernelOf(library, desc)};
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < count; ++i) kernels.push_back(gotten(library.get(desc, drawnSchedule(desc, library.target(), random))));
  return kernels;
}

/// A piece of a prompt with a mask of 0 and -Inf in place of what the op says.
std::vector<float> masked(KernelLibrary& library, const Prompt& prompt, const Piece& piece, int64_t window) {
  OpDesc desc = op(form("mask=*x*"));
  int64_t rows = piece.end - piece.begin;
  std::vector<float> mask, q(prompt.rowsOf(prompt.q, piece).begin(), prompt.rowsOf(prompt.q, piece).end());
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < piece.kv; ++j) {
      int64_t behind = i + 1 + (prompt.op.causal == Causal::TopLeft ? 0 : piece.kv - rows);
      mask.push_back(j < behind && j >= behind - window ? 0 : -kInf);
    }
  CheckInputs inputs{fixed(desc, prompt.dims(piece)), {}, {}};
  const void* data[] = {q.data(), prompt.k.data(), prompt.v.data(), mask.data()};
  std::vector<TensorSpec> specs = inputsOf(inputs.op);
  for (size_t i = 0; i < specs.size(); ++i) inputs.tensors.push_back({data[i], specs[i].extents()});
  return gotten(runKernel(kernelOf(library, desc), inputs, prompt.dims(piece), {}));
}

}  // namespace

TEST_CASE("a window gives the bits of a mask that hides what lies before it") {
  size_t cases = 0;
  for (const Target& target : runnableLevels()) {
    KernelLibrary library(target, {});
    for (const char* causal : {"causal=1", "causal=topleft"})
      for (int64_t window : {1, 5, 63, 64, 65, 200, 2048, 3000}) {
        std::string text = keysOf(fmt::format("{} window={}", causal, window));
        for (auto [queries, tokens] : {std::pair<int64_t, int64_t>{7, 7}, {70, 140}, {3, 2300}, {40, 4200}, {9, 5}}) {
          if (window > 200 && tokens < 200) continue;
          Prompt prompt(text, queries, tokens, kSeed);
          std::vector<float> right = masked(library, prompt, prompt.whole(), window);
          REQUIRE(std::any_of(right.begin(), right.end(), [](float x) { return x != 0; }));
          for (const KernelSet& kernel : kernelsFor(library, prompt.desc, 3)) {
            INFO(text << " [" << kernel.info().schedule << "] of " << queries << " and " << tokens << " on " << target.name);
            CHECK(differing(right, run(kernel, prompt, prompt.whole())) == "");
            ++cases;
          }
        }
      }
  }
  CHECK(cases >= 100);
}

TEST_CASE("rows have the same bits alone, in pieces and together, however keys before their window are") {
  constexpr int64_t kTokens = 4300, kQueries = 90;
  for (int64_t window : {17, 100, 2100}) {
    std::string text = keysOf(fmt::format("causal=1 window={}", window));
    for (const Target& target : runnableLevels()) {
      KernelLibrary library(target, {});
      Prompt prompt(text, kTokens, kTokens, kSeed);
      KernelSet whole = kernelOf(library, prompt.desc);
      std::vector<float> right = run(whole, prompt, prompt.piece(0, kTokens));
      for (const KernelSet& kernel : kernelsFor(library, prompt.desc, 2))
        for (int64_t begin : {int64_t{0}, int64_t{1}, int64_t{63}, int64_t{2047}, int64_t{2100}, kTokens - kQueries})
          for (int64_t count : {int64_t{1}, int64_t{5}, kQueries}) {
            Piece piece = prompt.piece(begin, begin + count);
            Prompt spoilt = prompt;
            int64_t first = std::max<int64_t>(0, begin + 1 - window);
            std::fill_n(spoilt.k.begin(), first * 2 * kWidth, static_cast<float>(NAN));
            std::fill_n(spoilt.v.begin(), first * 2 * kWidth, kInf);
            INFO(text << " [" << kernel.info().schedule << "] rows " << begin << " and " << count << " on " << target.name);
            CHECK(differing(prompt.rowsOf(right, piece), run(kernel, spoilt, piece)) == "");
          }
    }
  }
}

TEST_CASE("rows that do not see a key have the same bits whatever it holds, though rows beside them see it") {
  constexpr int64_t kQueries = 40, kTokens = 200, kRow = kHeads * kWidth;
  size_t cases = 0;
  for (int64_t kvHeads : {2, 4})  // of four rows together, two or four are of one query each
    for (int64_t window : {1, 2, 17, 100})
      for (const Target& target : runnableLevels()) {
        KernelLibrary library(target, {});
        std::string text = fmt::format("heads=4 kv_heads={} head_dim=20 causal=1 window={}", kvHeads, window);
        Prompt prompt(text, kQueries, kTokens, kSeed);
        std::vector<float> right = run(kernelOf(library, prompt.desc), prompt, prompt.whole());
        for (const KernelSet& kernel : kernelsFor(library, prompt.desc, 3))
          for (int64_t key : {161, 170, 185, 199}) {
            Prompt spoilt = prompt;
            std::fill_n(spoilt.k.begin() + key * kvHeads * kWidth, kvHeads * kWidth, static_cast<float>(NAN));
            std::fill_n(spoilt.v.begin() + key * kvHeads * kWidth, kvHeads * kWidth, kInf);
            std::vector<float> got = run(kernel, spoilt, prompt.whole());
            for (int64_t i = 0; i < kQueries; ++i) {
              int64_t behind = kTokens - kQueries + i + 1;
              if (key < behind && key >= behind - window) std::copy_n(right.begin() + i * kRow, kRow, got.begin() + i * kRow);
            }
            INFO(text << " [" << kernel.info().schedule << "] key " << key << " on " << target.name);
            CHECK(differing(right, got) == "");
            ++cases;
          }
      }
  CHECK(cases >= 128);
}

TEST_CASE("a window goes with a cap, a batch and lengths") {
  KernelLibrary library(hostTarget(), {});
  OpDesc many = op(form("causal=1 window=33 softcap=3 batch=3 lens=1")), alone = op(form("causal=1 window=33 softcap=3"));
  const int64_t kKeys = 150, kQueries = 6;
  const int32_t lens[] = {150, 90, 4};
  Prompt prompt(keysOf("causal=1 window=33 softcap=3"), 3 * kQueries, 3 * kKeys, kSeed);
  CheckInputs all{fixed(many, {{"q", kQueries}, {"kv", kKeys}, {"batch", 3}}), {}, {}};
  const void* data[] = {prompt.q.data(), prompt.k.data(), prompt.v.data(), lens};
  std::vector<TensorSpec> specs = inputsOf(all.op);
  for (size_t i = 0; i < specs.size(); ++i) all.tensors.push_back({data[i], specs[i].extents()});
  std::vector<float> got = gotten(runKernel(kernelOf(library, many), all, {{"q", kQueries}, {"kv", kKeys}, {"batch", 3}}, {}));
  for (int64_t b = 0; b < 3; ++b) {
    DimValues dims = {{"q", kQueries}, {"kv", lens[b]}};
    CheckInputs one{fixed(alone, dims), {}, {}};
    std::vector<TensorSpec> own = inputsOf(one.op);
    one.tensors = {{prompt.q.data() + b * kQueries * kHeads * kWidth, own[0].extents()},
                   {prompt.k.data() + b * kKeys * 2 * kWidth, own[1].extents()},
                   {prompt.v.data() + b * kKeys * 2 * kWidth, own[2].extents()}};
    std::vector<float> right = gotten(runKernel(kernelOf(library, alone), one, dims, {}));
    auto begin = got.begin() + b * kQueries * kHeads * kWidth;
    CHECK(differing(right, std::vector<float>(begin, begin + kQueries * kHeads * kWidth)) == "");
  }
}

TEST_CASE("sinks of no weight change no bit; others are exponentials without a value") {
  KernelLibrary library(hostTarget(), {});
  const int64_t kKeys = 200, kQueries = 5;
  DimValues dims = {{"q", kQueries}, {"kv", kKeys}};
  Prompt prompt(keysOf("causal=1 window=90"), kQueries, kKeys, kSeed);
  auto of = [&](const char* more, std::vector<float> sinks) {
    OpDesc desc = op(form(more));
    CheckInputs inputs{fixed(desc, dims), {}, {}};
    const void* data[] = {prompt.q.data(), prompt.k.data(), prompt.v.data(), sinks.data()};
    std::vector<TensorSpec> specs = inputsOf(inputs.op);
    for (size_t i = 0; i < specs.size(); ++i) inputs.tensors.push_back({data[i], specs[i].extents()});
    return gotten(runKernel(kernelOf(library, desc), inputs, dims, {}));
  };
  std::vector<float> plain = of("causal=1 window=90", {});
  CHECK(differing(plain, of("causal=1 window=90 sinks=1", std::vector<float>(kHeads, -kInf))) == "");
  // A sink far above all scores takes nearly all; one head's concerns no other.
  std::vector<float> taken = of("causal=1 window=90 sinks=1", {-kInf, 60, -kInf, -kInf});
  for (int64_t i = 0; i < kQueries; ++i)
    for (int64_t h = 0; h < kHeads; ++h)
      for (int64_t d = 0; d < kWidth; ++d) {
        auto at = static_cast<size_t>((i * kHeads + h) * kWidth + d);
        if (h == 1) CHECK(std::fabs(taken[at]) < 1e-20f);
        else CHECK(taken[at] == plain[at]);
      }
}
