// tests/model/ArchitecturesTest.cpp — each architecture with every feature at work, from both kinds of file: against an independent forward
// in double, which differs where a feature is taken out; whole, in chunks and token by token; on every level.
#include "tests/model/ReferenceDecoder.h"
#include "tests/model/TestAdapter.h"
#include "tests/model/TestFamilies.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

using namespace quern;

namespace {

/// Of the largest logit, as FamiliesTest.cpp has it; layers of four families are up to four.
constexpr double kLimit = 2.5e-6;
constexpr size_t kRows = 75;

std::vector<int32_t> someIds() { return randomIds(kRows, smallConfig().vocab, 21); }

std::vector<float> logitsOf(const std::string& path, const Target& target = hostTarget()) {
  return allLogits(*loadedModel(path, {}, target), someIds());
}

}  // namespace

TEST_CASE("every architecture, from a file and from a folder, is what its description says", "[architectures]") {
  size_t features = 0;
  for (const TestFamily& family : testFamilies()) {
    INFO(family.name);
    Folder file, folder;
    auto exact = referenceLogits(family.model, someIds());
    std::vector<float> fromFile = logitsOf(writeGguf(family.model, file.path));
    double error = relativeError(fromFile, exact);
    CHECK(error < kLimit);
    CHECK(relativeError(logitsOf(writeHf(family.model, folder.path, family.hf)), exact) < kLimit);
    for (const TestFeature& feature : family.features) {
      INFO("without: " << feature.name);
      TestModel other = family.model;
      feature.off(other);
      double apart = relativeError(fromFile, referenceLogits(other, someIds()));
      CHECK(apart > 100 * kLimit);
      ++features;
    }
    std::cout << family.name << ": " << error << " of the largest logit\n";
  }
  CHECK(features >= 30);
}

TEST_CASE("every architecture has the same bits whole, in chunks and token by token, on 1, 2 and 3 threads", "[architectures]") {
  for (const TestFamily& family : testFamilies()) {
    Folder folder;
    std::string path = writeGguf(family.model, folder.path);
    for (ElementType kvType : {ElementType::F32, ElementType::BF16}) {
      INFO(family.name << ", a cache of " << text(kvType));
      std::vector<int32_t> ids = someIds();
      ModelOptions whole{.kvType = kvType};
      std::vector<float> right = allLogits(*loadedModel(path, whole), ids);
      for (int threads : {1, 2, 3}) {
        ModelOptions chunked{.chunk = 7 * threads, .threads = threads, .kvType = kvType};
        CHECK(bitDifference(right, allLogits(*loadedModel(path, chunked), ids)) == "");
      }
      std::unique_ptr<Session> single = loadedModel(path, whole);
      std::vector<float> all;
      for (size_t i = 0; i < ids.size(); ++i)
        for (float each : allLogits(*single, std::span(ids).subspan(i, 1), static_cast<int64_t>(i))) all.push_back(each);
      CHECK(bitDifference(right, all) == "");
    }
  }
}

TEST_CASE("every architecture on every level", "[architectures]") {
  for (const TestFamily& family : testFamilies()) {
    Folder folder;
    std::string path = writeGguf(family.model, folder.path);
    auto exact = referenceLogits(family.model, someIds());
    for (const Target& target : runnableLevels()) {
      INFO(family.name << " on " << target.name);
      CHECK(relativeError(logitsOf(path, target), exact) < kLimit);
    }
  }
}

TEST_CASE("a layer with a window keeps no more than its window and a chunk; what is gone is said, never read", "[architectures]") {
  ModelConfig c = smallConfig();
  c.context = 4000;
  c.layers = 2;
  TestModel model = randomLlama(c, 330);
  model.config.perLayer = {LayerConfig{.window = 20}, LayerConfig{.window = 20}};
  Folder narrow, wide;
  std::string path = writeGguf(model, narrow.path);
  constexpr int64_t kChunk = 16, kIds = 2500;
  std::vector<int32_t> ids = randomIds(kIds, c.vocab, 331);
  for (ElementType kvType : {ElementType::F32, ElementType::F16}) {
    INFO(text(kvType));
    std::unique_ptr<Session> ring = loadedModel(path, {.chunk = kChunk, .kvType = kvType});
    double kept = ring->model().plan()->memory().persistentBytes, whole = 4.0 * 4000 * 2 * 16 * (kvType == ElementType::F32 ? 4 : 2);
    CHECK(kept < whole / 20);
    std::vector<float> all = allLogits(*ring, ids);
    // The same bits as a session that keeps everything, whose chunks are longer than the context.
    std::unique_ptr<Session> everything = loadedModel(path, {.chunk = 4000, .kvType = kvType});
    CHECK(everything->model().plan()->memory().persistentBytes == whole);
    CHECK(bitDifference(all, allLogits(*everything, ids)) == "");
    std::vector<float> one(static_cast<size_t>(c.vocab));
    CHECK(ring->keeps(kIds));
    CHECK(ring->keeps(kIds - kChunk));
    CHECK_FALSE(ring->keeps(kIds / 2));
    int64_t back = ring->model().plan()->goesBack();
    CHECK(ring->keeps(kIds - back));
    CHECK_FALSE(ring->keeps(kIds - back - 1));
    CHECK(everything->model().plan()->goesBack() > 4000);
    CHECK(ring->model().cacheBytes(3000) == ring->model().cacheBytes(20));
    CHECK(everything->model().cacheBytes(3000) == everything->model().cacheBytes(20));
    CHECK(everything->model().cacheBytes(20) == 2 * everything->model().cacheBytes(10));
    auto gone = ring->forward(std::span(ids).first(1), kIds / 2, 1, one.data());
    REQUIRE_FALSE(gone);
    CHECK(gone.error().message.ends_with(
        "position 1250 is no longer in the caches of layers with windows; a text goes on at its end, or begins at 0"));
    // Some steps back, and from the beginning: what lies there of the text before is nobody's.
    std::vector<float> again = allLogits(*ring, std::span(ids).subspan(kIds - kChunk), kIds - kChunk);
    CHECK(bitDifference(again, std::span(all).last(again.size())) == "");
    std::vector<float> anew = allLogits(*ring, std::span(ids).first(100));
    CHECK(bitDifference(anew, std::span(all).first(anew.size())) == "");
    CHECK(ring->keeps(50));
  }
}

TEST_CASE("of experts only those that rows go through are read, and so much is said", "[architectures]") {
  for (const TestFamily& family : testFamilies()) {
    const ModelConfig& c = family.model.config;
    if (c.experts == 0) continue;
    INFO(family.name);
    // All experts but the first are NaN, and so far below it that nobody is routed to the others but for the second place.
    TestModel model = family.model;
    model.config.usedExperts = 1;
    for (int64_t i = 0; i < c.layers; ++i) {
      TestTensor& scores = model.tensors[fmt::format("blk.{}.ffn_gate_inp.weight", i)];
      std::fill(scores.values.begin(), scores.values.end(), 0.0f);  // equal: the first is taken
      if (model.has(fmt::format("blk.{}.ffn_gate_inp.bias", i))) {
        std::vector<float>& biases = model.tensors[fmt::format("blk.{}.ffn_gate_inp.bias", i)].values;
        std::fill(biases.begin(), biases.end(), 0.0f);
      }
      for (const char* name : {"gate", "up", "down"}) {
        TestTensor& stack = model.tensors[fmt::format("blk.{}.ffn_{}_exps.weight", i, name)];
        auto each = static_cast<std::ptrdiff_t>(stack.values.size() / static_cast<size_t>(c.experts));
        std::fill(stack.values.begin() + each, stack.values.end(), NAN);
      }
    }
    Folder folder, whole;
    std::unique_ptr<Session> session = loadedModel(writeGguf(model, folder.path));
    std::vector<float> logits = allLogits(*session, someIds());
    CHECK(std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); }));
    double one = 3.0 * 4 * static_cast<double>(c.layers * c.width * c.expertHidden);
    double used = session->model().decodeBytes(), all = static_cast<double>(session->model().weightBytes());
    CHECK(used < all - one * static_cast<double>(c.experts - 2));
    std::unique_ptr<Session> several = loadedModel(writeGguf(family.model, whole.path));
    double more = several->model().decodeBytes() - used, expected = one * static_cast<double>(c.usedExperts - 1);
    CHECK(std::fabs(more - expected) < 0.2 * expected);  // packed a little wider
  }
}

TEST_CASE("experts of weights in blocks, exactly and with rounded rows: the same bits whole, in chunks and token by token",
          "[architectures]") {
  size_t compared = 0;
  for (TestFamily& family : testFamilies()) {
    bool blocks = family.model.config.experts > 0 && family.model.config.expertHidden % 32 == 0;
    for (TensorType type : {TensorType::Q8_0, TensorType::Q4_0, TensorType::MXFP4}) {
      if (!blocks) continue;
      TestModel model = family.model;
      for (auto& [name, tensor] : model.tensors)
        if (name.find("_exps.weight") != std::string::npos || name.find("attn_output.weight") != std::string::npos) tensor.store(type);
      Folder folder;
      std::string path = writeGguf(model, folder.path);
      KernelLibrary& library = kernelsOf(hostTarget());
      auto opened = [&](Compute compute, int64_t chunk, int threads) {
        ModelSource source = need(openModelFiles(path));
        source.compute = compute;
        ModelOptions options{.chunk = chunk, .threads = threads};
        return need(Session::load(std::move(source), [&library](const OpDesc& desc) { return library.kernels(desc); }, options));
      };
      std::vector<int32_t> ids = someIds();
      for (Compute compute : {Compute::Exact, Compute::Fast}) {
        INFO(family.name << " of " << nameOf(type) << ", " << nameOf(compute));
        std::vector<float> right = allLogits(*opened(compute, 512, 1), ids), single;
        if (compute == Compute::Exact) CHECK(relativeError(right, referenceLogits(model, ids)) < kLimit);
        for (int threads : {2, 3}) CHECK(bitDifference(right, allLogits(*opened(compute, 11, threads), ids)) == "");
        std::unique_ptr<Session> one = opened(compute, 512, 2);
        for (size_t i = 0; i < ids.size(); ++i)
          for (float each : allLogits(*one, std::span(ids).subspan(i, 1), static_cast<int64_t>(i))) single.push_back(each);
        CHECK(bitDifference(right, single) == "");
        ++compared;
      }
    }
  }
  CHECK(compared >= 12);
}

/// For tools/peers/llama-cpp/architectures, which runs another program on them: NAME.gguf, the ids, and the logits in double as f32.
TEST_CASE("files of every architecture", "[.files]") {
  const char* given = std::getenv("QUERN_FAMILIES");
  if (given == nullptr) {
    WARN("QUERN_FAMILIES names no folder: nothing is written");
    return;
  }
  auto write = [](const std::string& path, const void* data, size_t bytes) {
    std::ofstream(path, std::ios::binary).write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  };
  std::vector<int32_t> ids = someIds();
  for (TestFamily& family : testFamilies()) {
    std::string folder = fmt::format("{}/{}", given, family.name);
    std::filesystem::create_directories(folder);
    // llama.cpp has no windows there.
    if (std::set<std::string>{"mistral", "phi3", "starcoder2"}.count(family.name) != 0) family.features[0].off(family.model);
    family.model.tokenizer = "no_vocab";
    writeGguf(family.model, folder);
    TestAdapter adapter = randomAdapter(family.model, 332, [](const std::string& name) { return name.starts_with("blk."); });
    writeGgufAdapter(family.model, adapter, folder);
    write(folder + "/ids", ids.data(), ids.size() * 4);
    for (const auto& [name, model] : {std::pair("/logits", family.model), {"/adapted", merged(family.model, adapter)}}) {
      std::vector<float> logits;
      for (const std::vector<double>& row : referenceLogits(model, ids))
        for (double each : row) logits.push_back(static_cast<float>(each));
      write(folder + name, logits.data(), logits.size() * 4);
    }
  }
}
