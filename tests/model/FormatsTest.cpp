// tests/model/FormatsTest.cpp — one set of trained weights in every kind of file: the same tokens, and for f32 the same bits.
#include "tests/model/TestModel.h"

#include <cmath>

using namespace quern;

namespace {

constexpr const char* kStories = "models/stories260K/stories260K.gguf";
constexpr size_t kTokens = 48;

const TestModel& stories() {
  static const TestModel model = [] {
    TestModel read = readModel(sharedFile(kStories), "llama");
    read.config.tied = true;  // its head is a copy of the embedding
    REQUIRE(bitDifference(read.at("output.weight").values, read.at("token_embd.weight").values) == "");
    read.tensors.erase("output.weight");
    return read;
  }();
  return model;
}

/// Logits of a text's first ids, and the greedy ids behind them.
struct Outcome {
  std::vector<float> logits;
  std::vector<int32_t> ids;
};

constexpr int32_t kPrompt[] = {1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315};

Outcome outcomeOf(const std::string& path) {
  std::unique_ptr<Session> model = loadedModel(path);
  return {allLogits(*model, kPrompt), greedyIds(*model, {std::begin(kPrompt), std::end(kPrompt)}, kTokens)};
}

Outcome outcomeOf(const TestModel& model) {
  Folder folder;
  return outcomeOf(writeGguf(model, folder.path));
}

/// The worst difference over the largest logit.
double relativeDifference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0, largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::fabs(double{a[i]} - b[i]));
    largest = std::max(largest, std::fabs(double{b[i]}));
  }
  REQUIRE(largest > 1);
  return worst / largest;
}

}  // namespace

TEST_CASE("f32 weights give the same bits from the original GGUF, one written here, and one split in three", "[formats]") {
  if (!hasShared(kStories)) return;
  Outcome original = outcomeOf(sharedFile(kStories));
  Folder folder;
  for (int parts : {1, 3}) {
    INFO(parts << " files");
    Outcome written = outcomeOf(writeGguf(stories(), folder.path, parts));
    CHECK(bitDifference(written.logits, original.logits).empty());
    CHECK(shown(written.ids) == shown(original.ids));
  }
}

TEST_CASE("f32 weights give the same tokens from a Hugging Face folder, whole or in shards", "[formats]") {
  if (!hasShared(kStories)) return;
  Outcome original = outcomeOf(sharedFile(kStories));
  Folder one, several;
  Outcome whole = outcomeOf(writeHf(stories(), one.path)), sharded = outcomeOf(writeHf(stories(), several.path, {.shards = 4}));
  CHECK(bitDifference(whole.logits, sharded.logits) == "");
  CHECK(shown(whole.ids) == shown(original.ids));
  CHECK(shown(sharded.ids) == shown(original.ids));
  // Half pairs hold the same numbers at other places of a head, so a score sums them in another order: not the same bits.
  CHECK(relativeDifference(whole.logits, original.logits) < 5e-6);
}

TEST_CASE("a Hugging Face folder gives the bits of a GGUF file with half pairs", "[formats]") {
  if (!hasShared(kStories)) return;
  Folder hf, gguf;
  Outcome folder = outcomeOf(writeHf(stories(), hf.path));
  TestModel halves = stories();
  halves.family = "qwen2";
  for (auto& [name, tensor] : halves.tensors)
    if (name.find("attn_q.") != std::string::npos || name.find("attn_k.") != std::string::npos)
      tensor = halvedPairs(tensor, halves.config.headDim());
  halves.config.rope.pairs = RopePairs::Half;
  Outcome file = outcomeOf(writeGguf(halves, gguf.path));
  CHECK(bitDifference(file.logits, folder.logits) == "");
  CHECK(shown(file.ids) == shown(folder.ids));
}

TEST_CASE("f16 and bf16 weights give the bits of f32 weights that are rounded as they are", "[formats]") {
  if (!hasShared(kStories)) return;
  Outcome exact = outcomeOf(sharedFile(kStories));
  for (TensorType type : {TensorType::F16, TensorType::BF16}) {
    INFO(nameOf(type));
    TestModel stored = stories();
    stored.storeMatrices(type);
    Outcome given = outcomeOf(stored), rounded = outcomeOf(stored.restored());
    CHECK(bitDifference(given.logits, rounded.logits) == "");
    CHECK(shown(given.ids) == shown(rounded.ids));
    double off = relativeDifference(given.logits, exact.logits);  // and it was rounded
    CHECK(off > 1e-6);
    CHECK(off < (type == TensorType::F16 ? 1e-2 : 1e-1));
  }
}

TEST_CASE("f16 and bf16 give the same bits from a Hugging Face folder as f32 that is rounded", "[formats]") {
  if (!hasShared(kStories)) return;
  for (TensorType type : {TensorType::F16, TensorType::BF16}) {
    INFO(nameOf(type));
    TestModel stored = stories();
    for (auto& [name, tensor] : stored.tensors) tensor.store(type);  // gains too, as HF does
    Folder as16, as32;
    Outcome given = outcomeOf(writeHf(stored, as16.path)), rounded = outcomeOf(writeHf(stored.restored(), as32.path));
    CHECK(bitDifference(given.logits, rounded.logits) == "");
    CHECK(shown(given.ids) == shown(rounded.ids));
  }
}
