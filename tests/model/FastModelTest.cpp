// tests/model/FastModelTest.cpp — models whose weights in blocks are multiplied by bytes or as bf16: chunked, token by token and whole are
// the same bits, whatever the threads; near to exact, and not the same.
#include "tests/model/TestModel.h"

#include <algorithm>
#include <cmath>

using namespace quern;

namespace {

constexpr int64_t kVocab = 300;

TestModel blocksModel(TensorType type, bool tied) {
  ModelConfig c = smallConfig();
  c.width = 256;
  c.hidden = 512;
  c.vocab = kVocab;
  c.tied = tied;
  TestModel model = randomLlama(c, tied ? 21 : 22);
  model.storeMatrices(type);
  return model;
}

std::unique_ptr<Session> computedBy(KernelLibrary& library, const std::string& path, Compute compute, int64_t chunk, int threads,
                                    PairOrder order = PairOrder::Tile32, ElementType kvType = ElementType::F32) {
  auto source = openModelFiles(path);
  REQUIRE(source);
  source->compute = compute;
  source->order = order;
  ModelOptions options;
  options.chunk = chunk;
  options.threads = threads;
  options.kvType = kvType;
  auto model = Session::load(std::move(*source), [&library](const OpDesc& desc) { return library.kernels(desc); }, options);
  REQUIRE(model);
  return std::move(*model);
}

std::unique_ptr<Session> computed(const std::string& path, Compute compute, int64_t chunk, int threads, PairOrder order = PairOrder::Tile32,
                                  ElementType kvType = ElementType::F32) {
  static KernelLibrary library(hostTarget(), {});
  return computedBy(library, path, compute, chunk, threads, order, kvType);
}

/// Mean squared difference over mean square.
double distanceOf(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) difference += (double{a[i]} - b[i]) * (double{a[i]} - b[i]), size += double{b[i]} * b[i];
  REQUIRE(size > 0);
  return difference / size;
}

}  // namespace

TEST_CASE("fast: whole, in chunks and token by token are the same bits, on 1, 2 and 3 threads", "[fast]") {
  std::vector<int32_t> ids = randomIds(37, kVocab, 5);
  for (TensorType type : blockTypes())
    for (bool tied : {true, false}) {
      INFO(nameOf(type) << (tied ? ", tied" : ""));
      Folder folder;
      std::string path = writeGguf(blocksModel(type, tied), folder.path);
      std::vector<float> whole = allLogits(*computed(path, Compute::Fast, 512, 1), ids);
      std::vector<float> exact = allLogits(*computed(path, Compute::Exact, 512, 2), ids);
      double rounding = distanceOf(whole, exact);
      CHECK(rounding > 1e-8);
      CHECK(rounding < 0.01);
      for (int threads : {1, 2, 3}) {
        INFO(threads << " threads");
        std::unique_ptr<Session> model = computed(path, Compute::Fast, 7, threads);
        CHECK(bitDifference(allLogits(*model, ids), whole) == "");
        for (size_t at = 0; at < ids.size(); ++at)
          CHECK(bitDifference(allLogits(*model, std::span(ids).subspan(at, 1), static_cast<int64_t>(at)),
                              std::span(whole).subspan(at * kVocab, kVocab)) == "");
      }
    }
}

TEST_CASE("tile: blocks in either order, whole, in chunks and token by token are the same bits, and neither fast's nor exact's", "[fast]") {
  std::vector<int32_t> ids = randomIds(37, kVocab, 5);
  for (TensorType type :
       {TensorType::Q8_0, TensorType::Q4_0, TensorType::Q4_K, TensorType::Q6_K, TensorType::Q4_1, TensorType::Q3_K, TensorType::MXFP4}) {
    INFO(nameOf(type));
    Folder folder;
    std::string path = writeGguf(blocksModel(type, type == TensorType::Q4_K), folder.path);
    std::vector<float> exact = allLogits(*computed(path, Compute::Exact, 512, 2), ids);
    std::vector<float> fast = allLogits(*computed(path, Compute::Fast, 512, 2), ids);
    for (PairOrder order : {PairOrder::Tile32, PairOrder::Pairs}) {
      std::vector<float> whole = allLogits(*computed(path, Compute::Tile, 512, 1, order), ids);
      double rounding = distanceOf(whole, exact);
      CHECK(rounding > 1e-8);
      CHECK(rounding < 0.001);
      CHECK(distanceOf(whole, fast) > 1e-8);
      for (int threads : {1, 2, 3}) {
        INFO(threads << " threads");
        std::unique_ptr<Session> model = computed(path, Compute::Tile, 7, threads, order);
        CHECK(bitDifference(allLogits(*model, ids), whole) == "");
        for (size_t at = 0; at < ids.size(); ++at)
          CHECK(bitDifference(allLogits(*model, std::span(ids).subspan(at, 1), static_cast<int64_t>(at)),
                              std::span(whole).subspan(at * kVocab, kVocab)) == "");
      }
    }
  }
}

TEST_CASE("tile: of bf16, f16 and f32 as fast", "[fast]") {
  std::vector<int32_t> ids = randomIds(9, kVocab, 6);
  for (TensorType type : {TensorType::BF16, TensorType::F16, TensorType::F32})
    for (ElementType kv : {ElementType::F32, ElementType::BF16}) {
      INFO(nameOf(type));
      Folder folder;
      std::string path = writeGguf(blocksModel(type, true), folder.path);
      CHECK(bitDifference(allLogits(*computed(path, Compute::Tile, 512, 2, PairOrder::Pairs, kv), ids),
                          allLogits(*computed(path, Compute::Fast, 512, 2, PairOrder::Pairs, kv), ids)) == "");
    }
}

TEST_CASE("fast: bf16 in either order, whole, in chunks and token by token", "[fast]") {
  std::vector<int32_t> ids = randomIds(37, kVocab, 7);
  Folder folder;
  std::string path = writeGguf(blocksModel(TensorType::BF16, false), folder.path);
  std::vector<float> exact = allLogits(*computed(path, Compute::Exact, 512, 2), ids), of[2];
  for (PairOrder order : {PairOrder::Tile32, PairOrder::Pairs}) {
    std::vector<float>& whole = of[order == PairOrder::Pairs ? 1 : 0];
    whole = allLogits(*computed(path, Compute::Fast, 512, 1, order), ids);
    double rounding = distanceOf(whole, exact);
    CHECK(rounding > 1e-8);
    CHECK(rounding < 0.01);
    std::unique_ptr<Session> model = computed(path, Compute::Fast, 7, 3, order);
    CHECK(bitDifference(allLogits(*model, ids), whole) == "");
    for (size_t at = 0; at < ids.size(); ++at)
      CHECK(bitDifference(allLogits(*model, std::span(ids).subspan(at, 1), static_cast<int64_t>(at)),
                          std::span(whole).subspan(at * kVocab, kVocab)) == "");
  }
  CHECK(bitDifference(of[0], of[1]) != "");
}

TEST_CASE("fast and tile: the same bits on every level with fma that this machine has", "[fast]") {
  std::vector<int32_t> ids = randomIds(19, kVocab, 8);
  int levels = 0;
  for (TensorType type : {TensorType::Q8_0, TensorType::Q4_K, TensorType::BF16, TensorType::Q5_0, TensorType::Q2_K, TensorType::IQ4_XS}) {
    INFO(nameOf(type));
    Folder folder;
    std::string path = writeGguf(blocksModel(type, false), folder.path);
    for (Compute compute : {Compute::Fast, Compute::Tile}) {
      std::vector<float> here = allLogits(*computed(path, compute, 512, 2), ids);
      for (const Target& level : runnableLevels()) {
        if (!level.isa().fma) continue;
        INFO(nameOf(compute) << " on " << level.name);
        KernelLibrary library(level, {});
        CHECK(bitDifference(allLogits(*computedBy(library, path, compute, 512, 2), ids), here) == "");
        ++levels;
      }
    }
  }
  if (levels == 0) WARN("no level with fma here");
}

/// Whole, in chunks on three threads and token by token: the same logits, which it gives.
std::vector<float> sameInPieces(const std::string& path, const std::vector<int32_t>& ids, PairOrder order) {
  std::vector<float> whole = allLogits(*computed(path, Compute::Fast, 512, 1, order, ElementType::BF16), ids);
  std::unique_ptr<Session> model = computed(path, Compute::Fast, 7, 3, order, ElementType::BF16);
  CHECK(bitDifference(allLogits(*model, ids), whole) == "");
  for (size_t at = 0; at < ids.size(); ++at)
    CHECK(bitDifference(allLogits(*model, std::span(ids).subspan(at, 1), static_cast<int64_t>(at)),
                        std::span(whole).subspan(at * kVocab, kVocab)) == "");
  return whole;
}

TEST_CASE("fast: over a KV cache of bf16 attention is of bf16, in pieces too; exact and other caches leave it", "[fast]") {
  std::vector<int32_t> ids = randomIds(37, kVocab, 8);
  Folder folder;
  // Weights of f32, which fast multiplies as they are: what differs is attention.
  std::string path = writeGguf(blocksModel(TensorType::F32, true), folder.path);
  std::vector<float> exact = allLogits(*computed(path, Compute::Exact, 512, 2, PairOrder::Tile32, ElementType::BF16), ids);
  std::vector<float> tile32 = sameInPieces(path, ids, PairOrder::Tile32), pairs = sameInPieces(path, ids, PairOrder::Pairs);
  CHECK(bitDifference(tile32, pairs) != "");
  for (const std::vector<float>* fast : {&tile32, &pairs}) {
    double rounding = distanceOf(*fast, exact);
    CHECK(rounding > 1e-9);
    CHECK(rounding < 0.001);
  }
  CHECK(bitDifference(allLogits(*computed(path, Compute::Exact, 512, 2, PairOrder::Pairs, ElementType::BF16), ids), exact) == "");
  for (ElementType other : {ElementType::F32, ElementType::F16})
    CHECK(bitDifference(allLogits(*computed(path, Compute::Fast, 512, 2, PairOrder::Pairs, other), ids),
                        allLogits(*computed(path, Compute::Exact, 512, 2, PairOrder::Pairs, other), ids)) == "");
}

TEST_CASE("fast: weights of single numbers are multiplied as they are", "[fast]") {
  std::vector<int32_t> ids = randomIds(9, kVocab, 6);
  for (TensorType type : {TensorType::F32, TensorType::F16}) {
    INFO(nameOf(type));
    Folder folder;
    std::string path = writeGguf(blocksModel(type, true), folder.path);
    CHECK(bitDifference(allLogits(*computed(path, Compute::Fast, 512, 2), ids), allLogits(*computed(path, Compute::Exact, 512, 2), ids)) ==
          "");
  }
}
