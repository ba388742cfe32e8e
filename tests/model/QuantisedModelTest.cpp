// tests/model/QuantisedModelTest.cpp — models with weights in blocks: bit for bit what the same file with its values as f32 gives; types
// that no kernel reads are converted once, and said.
#include "models/files/WeightValues.h"
#include "tests/model/TestModel.h"

#include <cmath>

using namespace quern;

namespace {

/// Widths that are whole blocks of 256.
TestModel wideModel(bool tied) {
  ModelConfig c = smallConfig();
  c.width = 256;
  c.hidden = 512;
  c.vocab = 300;
  c.tied = tied;
  return randomLlama(c, tied ? 11 : 12);
}

constexpr size_t kRows = 21;

std::vector<int32_t> someIds() { return randomIds(kRows, 300, 13); }

struct Run {
  std::vector<float> logits, steps;  ///< of one forward; of one per token
  std::vector<std::string> notes;
};

Run runOf(const TestModel& model, const Target& target = hostTarget(), int threads = 2) {
  Folder folder;
  std::string path = writeGguf(model, folder.path);
  Run run;
  ModelOptions options;
  options.threads = threads;
  options.note = [&](const std::string& said) { run.notes.push_back(said.substr(said.find(": ") + 2)); };
  std::unique_ptr<Session> loaded = loadedModel(path, options, target);
  std::vector<int32_t> ids = someIds();
  run.logits = allLogits(*loaded, ids);
  for (size_t at = 0; at < ids.size(); ++at) {
    std::vector<float> row = allLogits(*loaded, std::span(ids).subspan(at, 1), static_cast<int64_t>(at));
    run.steps.insert(run.steps.end(), row.begin(), row.end());
  }
  return run;
}

/// Mean squared difference over mean square.
double differenceOf(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double difference = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    size += double{b[i]} * b[i];
  }
  REQUIRE(size > 0);
  return difference / size;
}

/// The types of a Q4_K_M file: q, k and v of one layer are not of one type.
TestModel mixed(bool tied) {
  TestModel model = wideModel(tied);
  for (auto& [name, tensor] : model.tensors) {
    bool six = name.find("attn_v.") != std::string::npos || name.find("ffn_down.") != std::string::npos || name == "output.weight";
    if (tensor.shape.size() == 2) tensor.store(six ? TensorType::Q6_K : TensorType::Q4_K);
  }
  return model;
}

Run checkSameBits(const TestModel& stored, const Target& target = hostTarget()) {
  Run given = runOf(stored, target), floats = runOf(stored.restored(), target);
  CHECK(bitDifference(given.logits, floats.logits) == "");
  CHECK(bitDifference(given.steps, floats.logits) == "");
  CHECK(given.notes.empty());
  CHECK(std::fabs(given.logits[7]) > 0);
  return given;
}

}  // namespace

TEST_CASE("blocks give the bits of the values they stand for, with the head tied or its own", "[quantised]") {
  for (TensorType type : blockTypes())
    for (bool tied : {true, false}) {
      INFO(nameOf(type) << (tied ? ", tied" : ""));
      TestModel stored = wideModel(tied);
      TestModel exact = stored;
      stored.storeMatrices(type);
      double rounding = differenceOf(checkSameBits(stored).logits, runOf(exact).logits);  // and it was rounded
      CHECK(rounding > 1e-6);
      CHECK(rounding < (type == TensorType::Q2_K ? 2 : type == TensorType::Q3_K ? 0.6 : 0.2));
    }
}

TEST_CASE("a file of q4_K with q6_K for v, down and head gives the bits of its values", "[quantised]") {
  for (bool tied : {true, false}) {
    INFO((tied ? "tied" : "own head"));
    checkSameBits(mixed(tied));
  }
}

TEST_CASE("blocks give the bits of their values on every level", "[quantised]") {
  for (const Target& target : runnableLevels()) {
    INFO(target.name);
    for (TensorType type : {TensorType::Q5_1, TensorType::Q3_K, TensorType::IQ4_XS, TensorType::MXFP4}) {
      TestModel own = wideModel(false);
      own.storeMatrices(type);
      checkSameBits(own, target);
    }
    checkSameBits(mixed(true), target);
    TestModel eight = wideModel(false);
    eight.storeMatrices(TensorType::Q8_0);
    checkSameBits(eight, target);
  }
}

TEST_CASE("each of q, k and v in a type of its own", "[quantised]") {
  TestModel model = wideModel(true);
  model.tensors["blk.0.attn_q.weight"].store(TensorType::F16);
  model.tensors["blk.0.attn_k.weight"].store(TensorType::Q8_0);
  model.tensors["blk.1.attn_q.weight"].store(TensorType::BF16);
  model.tensors["blk.1.attn_v.weight"].store(TensorType::Q4_0);
  model.tensors["blk.0.ffn_gate.weight"].store(TensorType::Q4_0);
  checkSameBits(model);
}

TEST_CASE("the mixed types of a Qwen2 with its biases, and a GPT-2 in blocks", "[quantised]") {
  ModelConfig c = wideModel(true).config;
  c.rope.pairs = RopePairs::Half;
  TestModel qwen = randomLlama(c, 14, true);
  qwen.family = "qwen2";
  for (auto& [name, tensor] : qwen.tensors)
    if (tensor.shape.size() == 2) tensor.store(name.find("attn_v.") != std::string::npos ? TensorType::Q6_K : TensorType::Q4_K);
  checkSameBits(qwen);
  for (TensorType type : {TensorType::Q8_0, TensorType::Q4_K}) {
    INFO(nameOf(type));
    c.gelu = "tanh";
    TestModel gpt2 = randomGpt2(c, 15);
    gpt2.storeMatrices(type);  // its positions too
    checkSameBits(gpt2);
  }
}

TEST_CASE("ternary types become q8_0 at load, bit for bit as if the file held that, with one note each", "[quantised]") {
  for (TensorType type : {TensorType::TQ1_0, TensorType::TQ2_0}) {
    INFO(nameOf(type));
    TestModel stored = wideModel(true);
    std::mt19937 random(3);
    size_t converted = 0, bytes = static_cast<size_t>(infoOf(type).blockBytes);
    for (auto& [name, tensor] : stored.tensors) {
      if (tensor.shape.size() != 2 || name == "token_embd.weight") continue;
      auto count = static_cast<int64_t>(tensor.values.size());
      tensor.raw.resize(static_cast<size_t>(*tensorBytes(type, tensor.shape)));
      for (std::byte& each : tensor.raw) each = static_cast<std::byte>(random());
      for (size_t at = bytes - 2; at < tensor.raw.size(); at += bytes)
        tensor.raw[at] = std::byte{0x66}, tensor.raw[at + 1] = std::byte{0x2a};
      tensor.type = type;
      REQUIRE(toFloats(type, tensor.raw.data(), count, tensor.values.data()));
      ++converted;
    }
    REQUIRE(converted == 14);
    TestModel eight = stored.restored();
    for (auto& [name, tensor] : eight.tensors)
      if (tensor.shape.size() == 2 && name != "token_embd.weight") tensor.store(TensorType::Q8_0);
    Run given = runOf(stored), wanted = runOf(eight);
    CHECK(bitDifference(given.logits, wanted.logits) == "");
    CHECK(bitDifference(given.steps, wanted.logits) == "");
    REQUIRE(given.notes.size() == 1);
    CHECK(given.notes[0].starts_with(fmt::format("14 tensors of {} read as q8_0: ", nameOf(type))));
    CHECK(given.notes[0].ends_with("rounded once more by at most 1/225 of the largest of 32 and 4e-6"));
    CHECK(wanted.notes.empty());
  }
}

TEST_CASE("a note for what is converted, f32 for f64, and none for blocks", "[quantised]") {
  TestModel stored = wideModel(false);
  stored.tensors["blk.0.ffn_up.weight"].store(TensorType::Q5_0);
  stored.tensors["blk.1.ffn_up.weight"].store(TensorType::Q5_K);
  stored.tensors["blk.0.attn_output.weight"].store(TensorType::F64);
  Run given = runOf(stored), same = runOf(stored.restored());
  CHECK(bitDifference(given.logits, same.logits) == "");
  REQUIRE(given.notes.size() == 1);
  CHECK(given.notes[0].starts_with("1 tensor of f64 read as f32: "));
}

TEST_CASE("an embedding in blocks is read row by row, whatever its type", "[quantised]") {
  for (TensorType type :
       {TensorType::F16, TensorType::BF16, TensorType::Q4_0, TensorType::Q5_K, TensorType::IQ4_XS, TensorType::Q6_K, TensorType::MXFP4}) {
    INFO(nameOf(type));
    TestModel stored = wideModel(false);
    stored.tensors["token_embd.weight"].store(type);
    Run given = runOf(stored), floats = runOf(stored.restored());
    CHECK(bitDifference(given.logits, floats.logits) == "");
    CHECK(given.notes.empty());
  }
}
