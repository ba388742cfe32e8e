// tests/model/Gpt2Test.cpp — the decoder against an independent forward in double; the KV cache and the thread count change
// no bit; a run allocates nothing.
#include "tools/recorded/DotNetRandom.h"
#include "tools/recorded/Gpt2Weights.h"
#include "tools/recorded/Gradients.h"
#include "models/Session.h"
#include "tests/CountedMalloc.h"
#include "tests/Support.h"
#include "tools/recorded/NamedModel.h"

#include <cmath>
#include <cstdlib>
#include <cstring>

using namespace quern;

namespace {

KernelProvider providerOf(KernelLibrary& library) {
  return [&library](const OpDesc& desc) { return library.kernels(desc); };
}

using Vec = std::vector<double>;

/// out[i] = sum over k of w[i,k] x[k] + b[i]
Vec applied(const Linear& w, const Vec& x) {
  Vec out(static_cast<size_t>(w.out));
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = w.bias.empty() ? 0.0 : w.bias[i];
    for (size_t k = 0; k < x.size(); ++k) out[i] += w.weight[i * x.size() + k] * x[k];
  }
  return out;
}

Vec normalised(const LayerNormWeights& w, const Vec& x, double eps) {
  double mean = 0, variance = 0;
  for (double v : x) mean += v / static_cast<double>(x.size());
  for (double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
  Vec out(x.size());
  for (size_t i = 0; i < x.size(); ++i) out[i] = (x[i] - mean) / std::sqrt(variance + eps) * w.gain[i] + w.bias[i];
  return out;
}

Vec added(Vec a, const Vec& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

/// The model straight from its description: one token at a time, keys and values kept.
std::vector<Vec> exactLogits(const ModelConfig& c, const Gpt2Weights& w, const std::vector<int32_t>& ids) {
  auto d = static_cast<size_t>(c.width), heads = static_cast<size_t>(c.heads), hd = d / heads;
  std::vector<std::vector<Vec>> past(w.blocks.size());
  std::vector<Vec> logits;
  for (size_t t = 0; t < ids.size(); ++t) {
    Vec x(d);
    for (size_t i = 0; i < d; ++i) x[i] = double{w.tokens[static_cast<size_t>(ids[t]) * d + i]} + w.positions[t * d + i];
    for (size_t layer = 0; layer < w.blocks.size(); ++layer) {
      const Gpt2Block& b = w.blocks[layer];
      past[layer].push_back(applied(b.qkv, normalised(b.norm1, x, c.eps)));
      const Vec& own = past[layer].back();
      Vec attended(d);
      for (size_t h = 0; h < heads; ++h) {
        Vec p;
        double total = 0;
        for (const Vec& other : past[layer]) {
          double s = 0;
          for (size_t i = 0; i < hd; ++i) s += own[h * hd + i] * other[d + h * hd + i];
          p.push_back(std::exp(s / std::sqrt(static_cast<double>(hd))));
          total += p.back();
        }
        for (size_t j = 0; j < p.size(); ++j)
          for (size_t i = 0; i < hd; ++i) attended[h * hd + i] += p[j] / total * past[layer][j][2 * d + h * hd + i];
      }
      x = added(x, applied(b.proj, attended));
      Vec hidden = applied(b.fc1, normalised(b.norm2, x, c.eps));
      for (double& v : hidden) v = v / (1 + std::exp(-1.702 * v));
      x = added(x, applied(b.fc2, hidden));
    }
    logits.push_back(applied(w.head, normalised(w.norm, x, c.eps)));
  }
  return logits;
}

std::vector<int32_t> someIds(const ModelConfig& c, size_t count) {
  DotNetRandom random(42);
  std::vector<int32_t> ids;
  for (size_t i = 0; i < count; ++i) ids.push_back(random.next(0, static_cast<int32_t>(c.vocab)));
  return ids;
}

struct Loaded {
  ModelConfig config;
  Gpt2Weights weights;
  std::unique_ptr<Session> model;
};

Loaded load(const char* name, KernelLibrary& library, int threads) {
  auto config = readModelConfig(name);
  REQUIRE(config);
  Loaded loaded{*config, randomGpt2Weights(*config), nullptr};
  ModelOptions options;
  options.threads = threads;
  auto model = Session::load(randomModel(*config), providerOf(library), options);
  INFO((model ? "" : model.error().message));
  REQUIRE(model);
  loaded.model = std::move(*model);
  return loaded;
}

}  // namespace

TEST_CASE("the generator is .NET's") {
  DotNetRandom random(42);
  for (double expected : {0.336213, -0.718185, -0.748963, 0.045529}) CHECK(random.nextDouble() * 2 - 1 == Approx(expected).margin(1e-6));
}

TEST_CASE("parameter counts are the recorded ones") {
  for (auto [name, count] : {std::pair{"smallmind-small", 470528}, {"smallmind-medium", 3454464}}) {
    auto config = readModelConfig(name);
    REQUIRE(config);
    CHECK(randomGpt2Weights(*config).parameters() == count);
  }
}

TEST_CASE("logits agree with the independent forward") {
  for (const char* name : {"smallmind-small", "smallmind-medium"}) {
    KernelLibrary library(hostTarget(), {});
    Loaded loaded = load(name, library, 1);
    std::vector<int32_t> ids = someIds(loaded.config, 34);
    auto vocab = static_cast<size_t>(loaded.config.vocab);
    std::vector<float> logits(ids.size() * vocab);
    REQUIRE(loaded.model->forward(ids, 0, static_cast<int64_t>(ids.size()), logits.data()));
    std::vector<Vec> exact = exactLogits(loaded.config, loaded.weights, ids);
    double worst = 0, largest = 0;
    for (size_t t = 0; t < ids.size(); ++t)
      for (size_t v = 0; v < vocab; ++v) {
        worst = std::max(worst, std::fabs(logits[t * vocab + v] - exact[t][v]));
        largest = std::max(largest, std::fabs(exact[t][v]));
      }
    INFO(name << ": worst difference " << worst << " of logits up to " << largest);
    CHECK(largest > 0.5);
    CHECK(worst < 2e-5 * largest);
  }
}

TEST_CASE("a KV-cache step, chunks and two threads give the full forward's logits bit for bit, on every level") {
  for (const Target& target : runnableLevels()) {
    KernelLibrary library(target, {});
    Loaded one = load("smallmind-small", library, 1), two = load("smallmind-small", library, 2);
    std::vector<int32_t> ids = someIds(one.config, 40);
    auto vocab = static_cast<size_t>(one.config.vocab);
    std::vector<float> whole(ids.size() * vocab), parts(whole.size()), threaded(whole.size());
    REQUIRE(one.model->forward(ids, 0, static_cast<int64_t>(ids.size()), whole.data()));
    size_t at = 0;
    for (size_t rows : {7, 1, 1, 1, 12, 1, 1, 16}) {  // 40 in all
      REQUIRE(one.model->forward(std::span(ids).subspan(at, rows), static_cast<int64_t>(at), static_cast<int64_t>(rows),
                                 parts.data() + at * vocab));
      at += rows;
    }
    REQUIRE(at == ids.size());
    CHECK(std::memcmp(whole.data(), parts.data(), whole.size() * 4) == 0);
    REQUIRE(two.model->forward(ids, 0, static_cast<int64_t>(ids.size()), threaded.data()));
    CHECK(std::memcmp(whole.data(), threaded.data(), whole.size() * 4) == 0);
  }
}

TEST_CASE("a run allocates nothing, whatever its row count") {
  KernelLibrary library(hostTarget(), {});
  Loaded loaded = load("smallmind-small", library, 2);
  std::vector<int32_t> ids = someIds(loaded.config, 30);
  std::vector<float> logits(ids.size() * static_cast<size_t>(loaded.config.vocab));
  CHECK(countsMallocs());  // the counter counts
  CHECK(mallocsOf([&] {
          for (size_t rows = 1; rows <= ids.size(); rows += 3)
            (void)static_cast<bool>(loaded.model->forward(std::span(ids).first(rows), 0, static_cast<int64_t>(rows), logits.data()));
          for (size_t at = 0; at < ids.size(); ++at)
            (void)static_cast<bool>(loaded.model->forward(std::span(ids).subspan(at, 1), static_cast<int64_t>(at), 1, logits.data()));
        }) == 0);
}

TEST_CASE("what does not fit is refused") {
  KernelLibrary library(hostTarget(), {});
  Loaded loaded = load("smallmind-small", library, 1);
  std::vector<float> logits(65 * 256);
  std::vector<int32_t> ids(65, 1), wrong = {1, 256};
  auto tooLong = loaded.model->forward(ids, 0, static_cast<int64_t>(ids.size()), logits.data());
  REQUIRE_FALSE(tooLong);
  CHECK(tooLong.error().message == "smallmind-small: positions 0 to 64 are outside its context of 64");
  auto unknown = loaded.model->forward(wrong, 0, 1, logits.data());
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message == "smallmind-small: token 256 is outside its vocabulary of 256");
}

TEST_CASE("gradients agree with finite differences") {
  KernelLibrary library(hostTarget(), {});
  auto work = MatmulBackwardWorkload::make(5, 7, 6, providerOf(library));
  REQUIRE(work);
  DotNetRandom random(42);
  for (float& v : work->a) v = random.uniform(0, 1);
  for (float& v : work->b) v = random.uniform(0, 1);
  work->iterate(false);
  FloatArray gradA = work->gradA, gradB = work->gradB;
  // The loss whose gradient of c is all ones: the sum of c.
  auto loss = [&] {
    work->iterate();
    double total = 0;
    for (float v : work->c) total += v;
    return total;
  };
  constexpr float kStep = 0.125f;
  for (auto [array, gradient] : {std::pair{&work->a, &gradA}, {&work->b, &gradB}})
    for (size_t i = 0; i < array->size(); ++i) {
      float before = (*array)[i];
      (*array)[i] = before + kStep;
      double up = loss();
      (*array)[i] = before - kStep;
      double down = loss();
      (*array)[i] = before;
      CHECK((up - down) / (2 * kStep) == Approx((*gradient)[i]).epsilon(1e-4));
    }
}

TEST_CASE("the two-layer step's gradients agree with finite differences") {
  KernelLibrary library(hostTarget(), {});
  auto work = TwoLayerWorkload::make(3, 5, 6, 4, providerOf(library));
  REQUIRE(work);
  DotNetRandom random(42);
  for (auto* array : {&work->x, &work->w2, &work->w3})
    for (float& v : *array) v = random.uniform(0, 1);
  work->iterate(false);
  FloatArray gradW3 = work->gradW3;
  auto loss = [&] {
    work->iterate();
    double total = 0;
    for (float v : work->out) total += v;
    return total;
  };
  for (size_t i = 0; i < work->w3.size(); ++i) {
    float before = work->w3[i];
    work->w3[i] = before + 0.125f;
    double up = loss();
    work->w3[i] = before - 0.125f;
    double down = loss();
    work->w3[i] = before;
    CHECK((up - down) / 0.25 == Approx(gradW3[i]).epsilon(1e-4));
  }
}
