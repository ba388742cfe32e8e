// tests/model/SamplerTest.cpp — drawing tokens: distributions against computed probabilities, each stage at its edge, errors.
#include "models/Sampler.h"
#include "tests/CountedMalloc.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <functional>
#include <limits>

using namespace quern;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

Sampler make(const SamplerOptions& options, int64_t vocabulary) {
  auto sampler = Sampler::make(options, vocabulary);
  INFO((sampler ? "" : sampler.error().message));
  REQUIRE(sampler);
  return *sampler;
}

int32_t drawn(Sampler& sampler, const std::vector<float>& logits) {
  auto id = sampler.next(logits);
  INFO((id ? "" : id.error().message));
  REQUIRE(id);
  return *id;
}

/// Everything kept: temperature 1, no cut.
SamplerOptions plain(uint64_t seed) {
  return {.temperature = 1, .topK = 0, .topP = 1, .minP = 0, .repeatPenalty = 1, .repeatLast = 64, .seed = seed};
}

std::vector<float> logitsOf(const std::vector<double>& probabilities) {
  std::vector<float> out;
  for (double p : probabilities) out.push_back(p == 0 ? -kInf : static_cast<float>(std::log(p)));
  return out;
}

/// Draws 100,000 ids: those of probability 0 never come, and the others' chi-square stays below what one fair run in a
/// million exceeds (Wilson and Hilferty's approximation, 4.75 standard deviations).
void checkDraws(const SamplerOptions& options, const std::vector<float>& logits, const std::vector<double>& probabilities) {
  constexpr int kDraws = 100000;
  Sampler sampler = make(options, static_cast<int64_t>(logits.size()));
  std::vector<int> counts(logits.size());
  for (int i = 0; i < kDraws; ++i) ++counts[static_cast<size_t>(drawn(sampler, logits))];
  double chi = 0;
  int kinds = 0;
  for (size_t id = 0; id < counts.size(); ++id) {
    INFO("id " << id << " of probability " << probabilities[id] << " came " << counts[id] << " times, seed " << options.seed);
    if (probabilities[id] == 0) {
      CHECK(counts[id] == 0);
      continue;
    }
    double expected = kDraws * probabilities[id];
    chi += (counts[id] - expected) * (counts[id] - expected) / expected;
    ++kinds;
  }
  double k = std::max(kinds - 1, 1), cube = 1 - 2 / (9 * k) + 4.75 * std::sqrt(2 / (9 * k));
  INFO("chi-square " << chi << " of " << kinds << " kinds, seed " << options.seed);
  CHECK(chi <= k * cube * cube * cube);
}

std::string errorOf(const Result<int32_t>& result) { return result ? "an id" : result.error().message; }

}  // namespace

TEST_CASE("temperature 0 takes the largest logit, the lowest id among equals", "[sampler]") {
  SamplerOptions options = plain(1);
  options.temperature = 0;
  Sampler sampler = make(options, 5);
  CHECK(drawn(sampler, {1, 3, 2, 3, -1}) == 1);
  CHECK(drawn(sampler, {-kInf, -kInf, -5, -kInf, -kInf}) == 2);
  CHECK(drawn(sampler, {0, 0, 0, 0, 0}) == 0);
}

TEST_CASE("draws follow the softmax, at every temperature", "[sampler]") {
  const std::vector<double> p = {0.5, 0.25, 0.125, 0.1, 0.02, 0.005, 0};
  for (uint64_t seed : {1u, 2u, 3u}) checkDraws(plain(seed), logitsOf(p), p);
  for (double temperature : {0.5, 2.0}) {
    std::vector<double> sharpened(p.size());
    double total = 0;
    for (size_t i = 0; i < p.size(); ++i) total += sharpened[i] = std::pow(p[i], 1 / temperature);
    for (double& one : sharpened) one /= total;
    SamplerOptions options = plain(4);
    options.temperature = temperature;
    checkDraws(options, logitsOf(p), sharpened);
  }
}

TEST_CASE("a large vocabulary is drawn from evenly", "[sampler]") {
  std::vector<double> p(1000, 1.0 / 1000);
  checkDraws(plain(5), std::vector<float>(1000, 3.25f), p);
}

TEST_CASE("top-k keeps the K likeliest, the lower id among equals; 1 is greedy", "[sampler]") {
  SamplerOptions options = plain(6);
  options.topK = 2;
  checkDraws(options, logitsOf({0.1, 0.4, 0.1, 0.4}), {0, 0.5, 0, 0.5});
  checkDraws(options, logitsOf({0.2, 0.2, 0.2, 0.4}), {1.0 / 3, 0, 0, 2.0 / 3});
  options.topK = 1;
  Sampler one = make(options, 64);
  options.temperature = 0;
  Sampler greedy = make(options, 64);
  for (int i = 0; i < 500; ++i) {
    std::vector<float> logits;
    for (int k = 0; k < 64; ++k) logits.push_back(static_cast<float>((i * 7919 + k * 104729) % 31));
    CHECK(drawn(one, logits) == drawn(greedy, logits));
  }
}

TEST_CASE("top-p keeps the fewest likeliest whose sum reaches P", "[sampler]") {
  // Weights that are exact in binary: equal logits. Four of 1/8 are exactly P = 0.5, so a fifth does not come.
  SamplerOptions options = plain(7);
  options.topP = 0.5;
  checkDraws(options, std::vector<float>(8, 1.0f), {0.25, 0.25, 0.25, 0.25, 0, 0, 0, 0});
  options.topP = std::nextafter(0.5, 1.0);  // just above: the fifth comes
  checkDraws(options, std::vector<float>(8, 1.0f), {0.2, 0.2, 0.2, 0.2, 0.2, 0, 0, 0});
  options.topP = 0;  // at least one stays
  checkDraws(options, logitsOf({0.3, 0.7}), {0, 1});
  options.topP = 0.75;  // of what top-k left, 0.4 + 0.3 + 0.2: 0.7 / 0.9 reaches it
  options.topK = 3;
  checkDraws(options, logitsOf({0.1, 0.2, 0.3, 0.4}), {0, 0, 3.0 / 7, 4.0 / 7});
}

TEST_CASE("min-p keeps those at least P times as likely as the likeliest", "[sampler]") {
  SamplerOptions options = plain(8);
  options.minP = 1;
  checkDraws(options, {2, 1, 2, 1.99f}, {0.5, 0, 0.5, 0});
  options.minP = 0.3;
  checkDraws(options, logitsOf({0.5, 0.2, 0.16, 0.14}), {0.5 / 0.86, 0.2 / 0.86, 0.16 / 0.86, 0});
}

TEST_CASE("cuts come before the temperature", "[sampler]") {
  SamplerOptions options = plain(9);
  options.topP = 0.6;
  options.temperature = 100;  // first, it would level the four and three would stay
  checkDraws(options, logitsOf({0.7, 0.1, 0.1, 0.1}), {1, 0, 0, 0});
}

TEST_CASE("the penalty divides logits above 0, multiplies others, and forgets after N ids", "[sampler]") {
  SamplerOptions options = plain(10);
  options.temperature = 0;
  options.repeatPenalty = 2;
  options.repeatLast = 2;
  Sampler sampler = make(options, 3);
  const std::vector<float> above = {4, 3, 1}, below = {-1, -1.5f, -9};
  CHECK(drawn(sampler, above) == 0);
  sampler.accept(0);
  CHECK(drawn(sampler, above) == 1);  // 4 / 2 < 3
  CHECK(drawn(sampler, below) == 1);  // -1 * 2 < -1.5
  sampler.accept(0);                  // twice in the ring counts once
  CHECK(drawn(sampler, {4, 1.9f, 0}) == 0);
  sampler.accept(1);
  CHECK(drawn(sampler, above) == 0);  // both are penalised: 2 and 1.5
  sampler.accept(2);                  // 0 has left the ring
  CHECK(drawn(sampler, {2.5f, 4.5f, 4.5f}) == 0);
  sampler.accept(-1);
  sampler.accept(3);  // no ids: not noted
  CHECK(drawn(sampler, {2, 4.5f, 4.5f}) == 1);
  options.repeatLast = 0;
  Sampler forgetful = make(options, 3);
  forgetful.accept(0);
  CHECK(drawn(forgetful, above) == 0);
}

TEST_CASE("the same seed draws the same ids; the generator's numbers are the published ones", "[sampler]") {
  // xoshiro256** seeded by splitmix64(42); from an independent program in Python.
  std::vector<float> even(1 << 16, 0.0f);
  Sampler sampler = make(plain(42), 1 << 16);
  std::vector<int32_t> first;
  for (int i = 0; i < 8; ++i) first.push_back(drawn(sampler, even));
  CHECK(first == std::vector<int32_t>{5496, 24836, 44567, 60600, 64998, 50445, 47137, 55706});
  Sampler again = make(plain(42), 1 << 16), other = make(plain(43), 1 << 16);
  std::vector<int32_t> second, third;
  for (int i = 0; i < 8; ++i) second.push_back(drawn(again, even)), third.push_back(drawn(other, even));
  CHECK(second == first);
  CHECK(third != first);
}

TEST_CASE("logits that allow no draw are errors", "[sampler]") {
  Sampler sampler = make(plain(11), 3);
  CHECK(errorOf(sampler.next(std::vector<float>{0, std::nanf(""), 0})) == "logits hold NaN at token 1");
  CHECK(errorOf(sampler.next(std::vector<float>{0, 0, kInf})) == "logits hold +Inf at token 2");
  CHECK(errorOf(sampler.next(std::vector<float>{-kInf, -kInf, -kInf})) == "all 3 logits are -Inf: no token can be drawn");
  CHECK(errorOf(sampler.next(std::vector<float>{0, 0})) == "2 logits given, 3 are needed");
  SamplerOptions greedy = plain(11);
  greedy.temperature = 0;
  Sampler best = make(greedy, 2);
  CHECK(errorOf(best.next(std::vector<float>{std::nanf(""), 0})) == "logits hold NaN at token 0");
  CHECK(Sampler::make(plain(1), 0).error().message == "a vocabulary of 0 tokens: 1 to 2147483647 are legal");
}

TEST_CASE("options outside their ranges are errors", "[sampler]") {
  struct Case {
    std::function<void(SamplerOptions&)> change;
    const char* message;
  };
  const Case cases[] = {
      {[](SamplerOptions& o) { o.temperature = -1; }, "temp -1: 0 to 1000 are legal"},
      {[](SamplerOptions& o) { o.temperature = std::nan(""); }, "temp nan: 0 to 1000 are legal"},
      {[](SamplerOptions& o) { o.topK = -1; }, "top-k -1: 0 to 2147483647 are legal"},
      {[](SamplerOptions& o) { o.topP = 1.5; }, "top-p 1.5: 0 to 1 are legal"},
      {[](SamplerOptions& o) { o.minP = -0.1; }, "min-p -0.1: 0 to 1 are legal"},
      {[](SamplerOptions& o) { o.repeatPenalty = 0; }, "repeat-penalty 0: 0.01 to 100 are legal"},
      {[](SamplerOptions& o) { o.repeatLast = 65537; }, "repeat-last 65537: 0 to 65536 are legal"},
  };
  for (const Case& one : cases) {
    SamplerOptions options;
    REQUIRE(checkSampler(options));
    one.change(options);
    auto result = checkSampler(options);
    REQUIRE(!result);
    CHECK(result.error().code == ErrorCode::BadInput);
    CHECK(result.error().message == one.message);
  }
}

TEST_CASE("drawing allocates nothing", "[sampler]") {
  std::vector<float> logits(32000);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>((i * 7919) % 1000) / 100;
  REQUIRE(countsMallocs());  // the counter counts
  for (int64_t topK : {0, 40}) {
    SamplerOptions options;
    options.topK = topK;
    options.repeatPenalty = 1.1;
    Sampler sampler = make(options, 32000);
    bool good = true;
    CHECK(mallocsOf([&] {
            for (int i = 0; i < 20; ++i) {
              auto id = sampler.next(logits);
              good = good && id;
              if (id) sampler.accept(*id);
            }
          }) == 0);
    CHECK(good);
  }
}
