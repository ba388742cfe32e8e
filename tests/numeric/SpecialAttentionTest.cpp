// tests/numeric/SpecialAttentionTest.cpp — special values in attention: a NaN or Inf in Q, K or V reaches the rows that see it
// and no other bit; masked rows are zeros; scores of any size. Every causal form, full vectors and tails, every level.
#include "tests/numeric/SpecialValues.h"

#include <cmath>
#include <iostream>
#include <set>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 13;
constexpr int64_t kQueries = 5, kHeads = 4, kGroups = 2;  // two heads share a group

/// One attention at one size. Elements of Q and of the output: (i, h, d); of K and V: (p, g, d).
struct AttentionSize {
  Causal causal;
  int64_t kv, width;

  size_t query(int64_t i, int64_t h, int64_t d) const { return static_cast<size_t>((i * kHeads + h) * width + d); }
  size_t key(int64_t p, int64_t g, int64_t d) const { return static_cast<size_t>((p * kGroups + g) * width + d); }
  int64_t visible(int64_t i) const { return visibleOf(causal, i, kQueries, kv); }

  struct At {
    int64_t i, h, d, group;
  };
  At at(size_t flat) const {
    auto f = static_cast<int64_t>(flat);
    int64_t h = f / width % kHeads;
    return {f / width / kHeads, h, f % width, h / (kHeads / kGroups)};
  }
};

std::string formOf(int64_t width, const char* causal) {
  return fmt::format("attention heads={} kv_heads={} head_dim={} q=* kv=* scale=1{}", kHeads, kGroups, width, causal);
}

/// A value at one place of Q, K or V: which elements may show it.
void checkPoison(SpecialKernel& kernel, const AttentionSize& shape, float value, std::set<std::string>& cells, int64_t& runs,
                 const std::string& form) {
  auto check = [&](const char* where, size_t operand, size_t index, const std::function<bool(const AttentionSize::At&)>& sees, Want want) {
    std::string wrong = kernel.wrongWith([&](const SpecialKernel& k) { k.input(operand)[index] = value; },
                                         [&](size_t i) { return sees(shape.at(i)) ? want : Want::Clean; });
    INFO(value << " in " << where << " at " << index << ": " << wrong);
    CHECK(wrong.empty());
    cells.insert(fmt::format("{} {} {}", form, value, where));
    ++runs;
  };
  Want poisoned = std::isnan(value) ? Want::Nan : Want::Right;
  for (int64_t d : placesIn(shape.width)) {
    // Infinite scores are of both signs or all of one: an Inf in Q is NaN wherever a key is seen.
    for (int64_t i : placesIn(kQueries))
      check(
          "Q", 0, shape.query(i, i % kHeads, d),
          [&](const AttentionSize::At& e) { return e.i == i && e.h == i % kHeads && shape.visible(i) > 0; }, Want::Nan);
    for (int64_t p : placesIn(shape.kv))
      for (int64_t g : {int64_t{0}, kGroups - 1}) {
        check("K", 1, shape.key(p, g, d), [&](const AttentionSize::At& e) { return e.group == g && shape.visible(e.i) > p; }, poisoned);
        check(
            "V", 2, shape.key(p, g, d), [&](const AttentionSize::At& e) { return e.group == g && e.d == d && shape.visible(e.i) > p; },
            poisoned);
      }
  }
}

/// Scores, the same for every query and head: of position p of kv.
struct Scores {
  const char* name;
  std::function<float(int64_t p, int64_t kv)> of;
};
const Scores kScores[] = {
    {"88 to 90", [](int64_t p, int64_t) { return 88 + 0.25f * static_cast<float>(p % 9); }},
    {"-90 to -88", [](int64_t p, int64_t) { return -88 - 0.25f * static_cast<float>(p % 9); }},
    {"all 1e4", [](int64_t, int64_t) { return 1e4f; }},
    {"all -1e4", [](int64_t, int64_t) { return -1e4f; }},
    {"+-1e4", [](int64_t p, int64_t) { return p % 2 == 0 ? 1e4f : -1e4f; }},
    {"first 1e4", [](int64_t p, int64_t) { return p == 0 ? 1e4f : 0.0f; }},
    {"last 1e4", [](int64_t p, int64_t kv) { return p == kv - 1 ? 1e4f : 0.0f; }},
    {"first -inf", [](int64_t p, int64_t) { return p == 0 ? -kInf : 0.5f; }},
    {"last -inf", [](int64_t p, int64_t kv) { return p == kv - 1 ? -kInf : 0.5f; }},
    {"all -inf", [](int64_t, int64_t) { return -kInf; }},
    {"all but the first -inf", [](int64_t p, int64_t) { return p == 0 ? 0.5f : -kInf; }},
    {"all but the last -inf", [](int64_t p, int64_t kv) { return p == kv - 1 ? 0.5f : -kInf; }},
    {"last inf", [](int64_t p, int64_t kv) { return p == kv - 1 ? kInf : 0.5f; }},
    {"middle NaN", [](int64_t p, int64_t kv) { return p == kv / 2 ? kNan : 0.5f; }},
    {"denormal", [](int64_t p, int64_t) { return kTiny * static_cast<float>(p); }},
};

/// Q is the first unit vector, so that the first column of K holds the scores.
void checkScores(SpecialKernel& kernel, const AttentionSize& shape, const Scores& scores) {
  std::vector<float> line;
  for (int64_t p = 0; p < shape.kv; ++p) line.push_back(scores.of(p, shape.kv));
  auto plant = [&](const SpecialKernel& k) {
    for (int64_t i = 0; i < kQueries; ++i)
      for (int64_t h = 0; h < kHeads; ++h)
        for (int64_t d = 0; d < shape.width; ++d) k.input(0)[shape.query(i, h, d)] = d == 0 ? 1.0f : 0.0f;
    for (int64_t p = 0; p < shape.kv; ++p)
      for (int64_t g = 0; g < kGroups; ++g) k.input(1)[shape.key(p, g, 0)] = line[static_cast<size_t>(p)];
  };
  std::string wrong = kernel.wrongWith(plant, [&](size_t i) {
    int64_t visible = shape.visible(shape.at(i).i);
    if (visible == 0) return Want::Zero;
    for (int64_t j = 0; j < visible; ++j)
      if (softmaxWant(line, visible, j) == Want::Nan) return Want::Nan;
    return Want::Right;
  });
  INFO("scores " << scores.name << ": " << wrong);
  CHECK(wrong.empty());
}

/// All sizes with one head dimension of a vector and a bit, all head dimensions with a few sizes.
std::vector<int64_t> keysFor(int64_t width) {
  return width == 17 ? std::vector<int64_t>(std::begin(kLengths), std::end(kLengths)) : std::vector<int64_t>{3, 17};
}

const std::pair<Causal, const char*> kCausal[] = {
    {Causal::No, ""}, {Causal::LastRowSeesAll, " causal=1"}, {Causal::TopLeft, " causal=topleft"}};

}  // namespace

TEST_CASE("special values in attention reach the rows that see them, and no other") {
  std::set<std::string> cells;
  int64_t runs = 0;
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    for (int64_t width : kLengths)
      for (auto [causal, key] : kCausal) {
        std::string form = formOf(width, key);
        OpDesc desc = op(form);
        KernelSet compiled = kernelOf(library, desc);
        for (int64_t kv : keysFor(width)) {
          INFO(form << ", " << kv << " keys, on " << level.level);
          AttentionSize shape{causal, kv, width};
          SpecialKernel kernel(compiled, desc, {{"q", kQueries}, {"kv", kv}}, kSeed, kv % 2);
          for (float value : {kNan, kInf, -kInf}) checkPoison(kernel, shape, value, cells, runs, form);
          for (const Scores& scores : kScores) {
            checkScores(kernel, shape, scores);
            cells.insert(form + " " + scores.name);
            ++runs;
          }
        }
      }
  }
  std::cout << cells.size() << " cells of attention in " << runs << " runs, seed " << kSeed << "\n";
  CHECK(cells.size() >= 300);
}

TEST_CASE("rows of attention that see no key are zeros") {
  for (const Target& level : runnableLevels()) {
    KernelLibrary library(level, {});
    for (int64_t width : {3, 16, 130})
      for (auto [causal, key] : kCausal) {
        OpDesc desc = op(formOf(width, key));
        KernelSet compiled = kernelOf(library, desc);
        for (int64_t kv : {0, 1, 3}) {
          AttentionSize shape{causal, kv, width};
          SpecialKernel kernel(compiled, desc, {{"q", kQueries}, {"kv", kv}}, kSeed);
          // A query of NaN that sees nothing gives zeros all the same.
          auto plant = [&](const SpecialKernel& k) { std::fill_n(k.input(0), kHeads * width, kNan); };
          std::string wrong = kernel.wrongWith(plant, [&](size_t i) {
            auto row = shape.at(i).i;
            return shape.visible(row) == 0 ? Want::Zero : row == 0 ? Want::Nan : Want::Clean;
          });
          INFO(text(desc) << ", " << kv << " keys, on " << level.level << ": " << wrong);
          CHECK(wrong.empty());
        }
      }
  }
}
