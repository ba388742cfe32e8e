// tests/numeric/AttentionModelTest.cpp — attention's order, written out one scalar operation at a time (loops/AttentionTile.h), against
// the kernels to the last bit. Only the exponential is the compiler's own.
#include "compiler/loops/maths/ExpandMaths.h"
#include "compiler/loops/ir/LoopInterpreter.h"
#include "compiler/loops/ir/LoopParser.h"
#include "tests/numeric/AttentionPrompt.h"
#include "tests/numeric/PairArithmetic.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iostream>
#include <limits>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 61;
constexpr float kLeast = -std::numeric_limits<float>::infinity();
constexpr int64_t kTokens = 2350;
constexpr int64_t kRows[] = {0, 1, 62, 63, 64, 127, 200, 2047, 2048, 2111, 2112, 2349};

/// The numbers that fix the order.
struct Order {
  int64_t tile = 64, segment = 2048;
  size_t partials = 16;
};

/// exp(x) for x <= 0, as kernels of one level compute it.
class Decay {
public:
  explicit Decay(const Target& level) {
    auto parsed = parseLoops("loops \"decay\"\nisa " + level.level +
                                 "\nbuffer x : f32 in [64] strides [1]\nbuffer y : f32 out [64] strides [1]\n"
                                 "phase task tasks 64 {\n  store y[task] = decay(x[task])\n}\n",
                             "decay.loops");
    INFO((parsed ? "" : parsed.error().message));
    REQUIRE(parsed);
    program_ = expandMaths(std::move(*parsed), level.isa().fma, level.isa().tableLookup);
  }
  std::vector<float> operator()(const std::vector<float>& x) const {
    std::vector<float> in = x, out(64);
    in.resize(64);
    REQUIRE(interpret(program_, {{in.data(), out.data()}, {}, {}}));
    out.resize(x.size());
    return out;
  }
  float operator()(float x) const { return (*this)(std::vector<float>{x})[0]; }

private:
  LoopProgram program_;
};

/// x as bits of bf16.
std::vector<uint16_t> rounded(std::span<const float> x) {
  std::vector<uint16_t> bits;
  for (float each : x) bits.push_back(bfloatOfFloat(each));
  return bits;
}

/// A maximum, and the sum and the weighted values below it.
struct State {
  float highest = kLeast, sum = 0;
  std::vector<float> values;
};

class Model {
public:
  explicit Model(const Target& level, Order order = {}) : decay_(level), fma_(level.isa().fma), order_(order) {}

  /// Row `row` of head `head`, which sees the keys up to its own.
  std::vector<float> row(const Prompt& prompt, int64_t row, int64_t head) const {
    int64_t width = prompt.op.headDim.value, heads = prompt.op.heads.value, groups = prompt.op.kvHeads.value,
            group = head / (heads / groups), limit = row + 1;
    std::span<const float> query =
        std::span(prompt.q).subspan(static_cast<size_t>((row * heads + head) * width), static_cast<size_t>(width));
    auto lineOf = [&](const std::vector<float>& of, int64_t j) {
      return std::span(of).subspan(static_cast<size_t>((j * groups + group) * width), static_cast<size_t>(width));
    };
    State all{kLeast, 0, std::vector<float>(query.size())};
    for (int64_t begin = 0; begin < limit; begin += order_.segment) {
      State part{kLeast, 0, std::vector<float>(query.size())};
      int64_t end = std::min(begin + order_.segment, limit);
      for (int64_t tile = begin; tile < end; tile += order_.tile) {
        std::vector<float> scores;
        std::vector<std::span<const float>> values;
        for (int64_t j = tile; j < std::min(tile + order_.tile, end); ++j) {
          scores.push_back(prompt.op.factor() * dot(prompt.op, query, lineOf(prompt.k, j)));
          values.push_back(lineOf(prompt.v, j));
        }
        addTile(prompt.op, part, scores, values);
      }
      merge(all, part);
    }
    float inverse = 1 / all.sum;  // one quotient for a row
    for (float& value : all.values) value = value * inverse + 0.0f;
    return all.values;
  }

private:
  float mulAdd(float a, float b, float c) const {
    volatile float product = a * b;  // rounded: no fma of the compiler's
    return fma_ ? std::fma(a, b, c) : product + c;
  }

  float dot(const AttentionOp& op, std::span<const float> q, std::span<const float> k) const {
    if (op.a == RoundedTo::BF16) return pairsByDefinition(op.order, rounded(q), rounded(k), 0);
    std::vector<float> partial(order_.partials);
    for (size_t d = 0; d < q.size(); ++d) partial[d % partial.size()] = mulAdd(q[d], k[d], partial[d % partial.size()]);
    size_t half = partial.size() / 2;
    for (size_t p = 0; p < half; ++p) partial[p] += partial[p + half];
    for (size_t p = 1; p < half; ++p) partial[0] += partial[p];
    return partial[0];
  }

  /// Of column d over the keys of a tile.
  float weighted(const AttentionOp& op, const std::vector<float>& p, const std::vector<std::span<const float>>& values, size_t d) const {
    std::vector<float> column;
    for (const auto& each : values) column.push_back(each[d]);
    if (op.a == RoundedTo::BF16) return pairsByDefinition(op.order, rounded(p), rounded(column), 0);
    float sum = 0;
    for (size_t j = 0; j < p.size(); ++j) sum = mulAdd(p[j], column[j], sum);
    return sum;
  }

  void addTile(const AttentionOp& op, State& state, const std::vector<float>& scores,
               const std::vector<std::span<const float>>& values) const {
    float highest = std::max(state.highest, *std::max_element(scores.begin(), scores.end())), factor = decay_(state.highest - highest);
    std::vector<float> below;
    for (float s : scores) below.push_back(s - highest);
    std::vector<float> p = decay_(below);
    if (op.a == RoundedTo::BF16)
      for (float& each : p) each = floatOfBfloat(bfloatOfFloat(each));
    std::vector<float> fold = p;
    fold.resize(static_cast<size_t>(order_.tile));
    for (size_t half = fold.size() / 2; half > 0; half /= 2)
      for (size_t i = 0; i < half; ++i) fold[i] += fold[i + half];
    state.highest = highest;
    state.sum = mulAdd(state.sum, factor, fold[0]);
    for (size_t d = 0; d < state.values.size(); ++d) state.values[d] = mulAdd(state.values[d], factor, weighted(op, p, values, d));
  }

  void merge(State& all, const State& part) const {
    float highest = std::max(all.highest, part.highest), old = decay_(all.highest - highest), fresh = decay_(part.highest - highest);
    all.highest = highest;
    all.sum = mulAdd(all.sum, old, part.sum * fresh);
    for (size_t d = 0; d < all.values.size(); ++d) all.values[d] = mulAdd(all.values[d], old, part.values[d] * fresh);
  }

  Decay decay_;
  bool fma_;
  Order order_;
};

/// Each of kRows, all heads.
std::vector<std::vector<float>> modelled(const Prompt& prompt, const Model& model) {
  std::vector<std::vector<float>> rows;
  for (int64_t row : kRows) {
    rows.emplace_back();
    for (int64_t head = 0; head < prompt.op.heads.value; ++head) {
      std::vector<float> own = model.row(prompt, row, head);
      rows.back().insert(rows.back().end(), own.begin(), own.end());
    }
  }
  return rows;
}

/// The first row of the kernel that is not the model's, "" where all are.
std::string wrongRow(const KernelSet& kernel, const Prompt& prompt, const std::vector<std::vector<float>>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    std::string wrong = differing(expected[i], run(kernel, prompt, prompt.piece(kRows[i], kRows[i] + 1)));
    if (!wrong.empty()) return fmt::format("row {}: {}", kRows[i], wrong);
  }
  return "";
}

enum class Data { Plain, Steep, Level, Huge, Small };
constexpr std::array<const char*, 5> kDataNames = {"plain", "steep", "level", "huge", "small"};

/// Plain: weights of the same size. Steep: maxima that move. Level: queries of zero, so that every weight is 1. Huge: weights of 0 and
/// 1 alone, by what the dots round to. Small: products near 2^-126 and below, of which some count as 0 with a=bf16.
Prompt promptOf(const std::string& form, Data data) {
  Prompt prompt("heads=2 kv_heads=1 causal=1 " + form, kTokens, kTokens, kSeed);
  for (float& x : prompt.q)
    x *= data == Data::Plain ? 1.0f : data == Data::Steep ? 20.0f : data == Data::Level ? 0.0f : data == Data::Small ? 0x1p-60f : 0x1p40f;
  if (data == Data::Small) {
    std::mt19937_64 random(kSeed);
    for (std::vector<float>* each : {&prompt.k, &prompt.v})
      for (float& x : *each) {
        int down = (each == &prompt.k ? 60 : 118) + static_cast<int>(random() % 14);
        x = floatOfBfloat(bfloatOfFloat(std::ldexp(x, -down)));
      }
  }
  if (data != Data::Huge) return prompt;
  // Keys that differ in the order of their components: equal dots, but for rounding.
  std::mt19937_64 random(kSeed);
  auto width = static_cast<std::ptrdiff_t>(prompt.op.headDim.value);
  for (auto at = prompt.q.begin(); at != prompt.q.end(); at += width) std::fill_n(at, width, *at);
  for (auto at = prompt.k.begin() + width; at != prompt.k.end(); at += width) {
    std::copy_n(prompt.k.begin(), width, at);
    std::shuffle(at, at + width, random);
  }
  return prompt;
}

}  // namespace

TEST_CASE("attention's order is what it is said to be, to the bit") {
  int64_t cases = 0;
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    Model model(level);
    bool widest = level.level == runnableLevels().back().level;
    for (const char* form :
         widest ? std::vector<const char*>{"head_dim=7", "head_dim=30", "head_dim=64"} : std::vector<const char*>{"head_dim=30"})
      for (Data data : {Data::Plain, Data::Steep, Data::Level, Data::Huge}) {
        Prompt prompt = promptOf(form, data);
        auto many = library.get(prompt.desc, defaultSchedule(prompt.desc, level));
        REQUIRE(many);
        auto expected = modelled(prompt, model);
        for (const KernelSet& kernel : {KernelSet(*many), kernelOf(library, prompt.desc)}) {
          std::string wrong = wrongRow(kernel, prompt, expected);
          INFO(text(prompt.desc) << " [" << kernel.info().schedule << "] on " << level.level << ", "
                                 << kDataNames[static_cast<size_t>(data)] << " data: " << wrong);
          CHECK(wrong.empty());
          ++cases;
        }
      }
  }
  std::cout << cases * static_cast<int64_t>(std::size(kRows)) << " rows of attention as the model has them, seed " << kSeed << "\n";
  CHECK(cases >= 24);
}

TEST_CASE("attention of bf16 has the bits of its order on every level, by instruction and by fma") {
  int64_t cases = 0;
  for (const Target& target : pairTargets()) {
    KernelLibrary library(target, {});
    Model model(target);
    bool widest = target.vectorLanes() == 16;
    for (const char* order : {"pairs", "tile32"})
      for (const char* head : widest ? std::vector<const char*>{"7", "40", "64"} : std::vector<const char*>{"40"})
        for (Data data : {Data::Plain, Data::Steep, Data::Level, Data::Small}) {
          std::string scale = data == Data::Small ? " scale=3e35" : "";
          Prompt prompt = promptOf(fmt::format("head_dim={} kv_type=bf16 a=bf16 order={}{}", head, order, scale), data);
          auto many = library.get(prompt.desc, defaultSchedule(prompt.desc, target));
          REQUIRE(many);
          bool instruction = order == std::string("pairs") && target.features == std::vector<std::string>{"avx512bf16"};
          CHECK(((*many)->info.contract.find("avx512bf16") != std::string::npos) == instruction);
          auto expected = modelled(prompt, model);
          for (const KernelSet& kernel : {KernelSet(*many), kernelOf(library, prompt.desc)}) {
            std::string wrong = wrongRow(kernel, prompt, expected);
            INFO(text(prompt.desc) << " [" << kernel.info().schedule << "] on " << target.name << ", "
                                   << kDataNames[static_cast<size_t>(data)] << " data: " << wrong);
            CHECK(wrong.empty());
            ++cases;
          }
        }
  }
  std::cout << cases * static_cast<int64_t>(std::size(kRows)) << " rows of bf16\n";
  CHECK(cases >= 32);
}

TEST_CASE("a row that sees one key is its value") {
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    Prompt prompt("heads=2 kv_heads=2 head_dim=40 causal=topleft", 1, 1, kSeed);
    CHECK(differing(prompt.v, run(kernelOf(library, prompt.desc), prompt, prompt.whole())) == "");
  }
}

TEST_CASE("another order is noticed") {
  const Target& level = hostTarget();
  KernelLibrary library(level, {});
  Prompt plain = promptOf("head_dim=40", Data::Plain), even = promptOf("head_dim=40", Data::Level),
         huge = promptOf("head_dim=40", Data::Huge);
  KernelSet kernel = kernelOf(library, plain.desc);
  for (const Prompt* prompt : {&plain, &even, &huge}) CHECK(wrongRow(kernel, *prompt, modelled(*prompt, Model(level))).empty());
  for (const Prompt* prompt : {&plain, &even}) {
    CHECK_FALSE(wrongRow(kernel, *prompt, modelled(*prompt, Model(level, {32, 2048, 16}))).empty());
    CHECK_FALSE(wrongRow(kernel, *prompt, modelled(*prompt, Model(level, {64, 1024, 16}))).empty());
  }
  for (const Prompt* prompt : {&plain, &huge})
    CHECK_FALSE(wrongRow(kernel, *prompt, modelled(*prompt, Model(level, {64, 2048, 8}))).empty());
}
