// tests/model/FamiliesTest.cpp — every architecture and its variants, from GGUF and from Hugging Face folders, against an
// independent forward in double.
#include "models/RopeAngles.h"
#include "tests/model/ReferenceDecoder.h"

#include <cmath>

using namespace quern;

namespace {

/// Of the largest logit. A forward in f32 through two layers: about 20 sums of 64 to 96 terms, each good to some 2^-24 sqrt(k).
constexpr double kLimit = 3e-6;
constexpr size_t kRows = 75;

std::vector<int32_t> someIds() { return randomIds(kRows, smallConfig().vocab, 21); }

std::vector<float> logitsOf(const std::string& path) { return allLogits(*loadedModel(path), someIds()); }

std::vector<float> fromGguf(const TestModel& model) {
  Folder folder;
  return logitsOf(writeGguf(model, folder.path));
}

std::vector<float> fromHf(const TestModel& model, const HfOptions& options = {}) {
  Folder folder;
  return logitsOf(writeHf(model, folder.path, options));
}

double errorOf(const std::vector<float>& logits, const TestModel& model) {
  return relativeError(logits, referenceLogits(model, someIds()));
}

void addBias(TestModel& model, const std::string& name, uint32_t seed) {
  std::mt19937 random(seed);
  model.tensors[name + ".bias"] = drawnTensor(random, {model.at(name + ".weight").shape[0]}, 0, 0.5);
}

ModelConfig gpt2Config() {
  ModelConfig c = smallConfig();
  c.architecture = "gpt2";
  c.kvHeads = 0;
  c.gelu = "tanh";
  c.tied = true;
  return c;
}

/// All three of Llama 3's ranges lie among the frequencies of a head of 16.
constexpr Llama3Scaling kLlama3{8, 1, 4, 512};
constexpr const char* kLlama3Json =
    R"(, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, )"
    R"("original_max_position_embeddings": 512})";

ModelConfig llama3Config() {
  ModelConfig c = smallConfig();
  c.rope.base = 50000;
  c.rope.scaling = RopeConfig::Scaling::Llama3;
  c.rope.factor = kLlama3.factor;
  c.rope.lowFactor = kLlama3.lowFactor;
  c.rope.highFactor = kLlama3.highFactor;
  c.rope.originalContext = kLlama3.originalContext;
  return c;
}

/// What each pair's frequency is divided by.
std::vector<float> llama3Factors(const ModelConfig& c) {
  std::vector<float> factors;
  for (int64_t i = 0; i < c.headDim() / 2; ++i)
    factors.push_back(static_cast<float>(
        llama3Divisor(std::pow(c.rope.base, -2.0 * static_cast<double>(i) / static_cast<double>(c.headDim())), kLlama3)));
  return factors;
}

}  // namespace

TEST_CASE("Llama: any grouping of heads, tied or own head, from both kinds of file", "[families]") {
  uint32_t seed = 30;
  for (int64_t kvHeads : {4, 2, 1})
    for (bool tied : {false, true}) {
      INFO(kvHeads << " kv heads" << (tied ? ", tied" : ""));
      ModelConfig c = smallConfig();
      c.kvHeads = kvHeads;
      c.tied = tied;
      TestModel model = randomLlama(c, ++seed);
      CHECK(errorOf(fromGguf(model), model) < kLimit);
      CHECK(errorOf(fromHf(model), model) < kLimit);
    }
}

TEST_CASE("Llama: heads wider than the width says, another base, another eps", "[families]") {
  ModelConfig c = smallConfig();
  c.headSize = 24;
  c.rope.base = 1000;
  c.eps = 1e-3f;
  TestModel model = randomLlama(c, 40);
  CHECK(errorOf(fromGguf(model), model) < kLimit);
  CHECK(errorOf(fromHf(model), model) < kLimit);
  TestModel other = model;
  other.config.eps = 1e-5f;
  CHECK(errorOf(fromGguf(model), other) > 10 * kLimit);  // the reference sees what is small
  other = model;
  other.config.rope.pairs = RopePairs::Half;
  CHECK(errorOf(fromGguf(model), other) > 0.01);
}

TEST_CASE("Llama: a bias on any linear is added", "[families]") {
  for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}) {
    INFO(name);
    TestModel model = randomLlama(smallConfig(), 41), plain = model;
    addBias(model, std::string("blk.1.") + name, 42);
    std::vector<float> logits = fromGguf(model);
    CHECK(errorOf(logits, model) < kLimit);
    CHECK(errorOf(logits, plain) > 100 * kLimit);
  }
}

TEST_CASE("Qwen2: biases of q, k, v and half pairs, tied, the same bits from both kinds of file", "[families]") {
  ModelConfig c = smallConfig();
  c.rope.pairs = RopePairs::Half;
  c.rope.base = 1e6;
  c.eps = 1e-6f;
  c.tied = true;
  TestModel model = randomLlama(c, 50, true);
  model.family = "qwen2";
  std::vector<float> file = fromGguf(model), folder = fromHf(model, {.architecture = "Qwen2ForCausalLM",
                                                                     .more = R"(, "use_sliding_window": false, "sliding_window": 8)"});
  CHECK(errorOf(file, model) < kLimit);
  CHECK(bitDifference(file, folder) == "");
}

TEST_CASE("sizes that are a multiple of nothing", "[families]") {
  struct {
    int64_t width, heads, kvHeads, hidden, headSize;
  } const sizes[] = {{30, 3, 1, 37, 0}, {17, 1, 1, 1, 2}, {66, 6, 2, 131, 34}};
  for (const auto& [width, heads, kvHeads, hidden, headSize] : sizes) {
    INFO("width " << width << ", " << heads << " heads");
    ModelConfig c = smallConfig();
    c.layers = 1;
    c.width = width;
    c.heads = heads;
    c.kvHeads = kvHeads;
    c.hidden = hidden;
    c.headSize = headSize;
    TestModel model = randomLlama(c, 57);
    CHECK(errorOf(fromGguf(model), model) < kLimit);
    CHECK(errorOf(fromHf(model), model) < kLimit);
  }
  ModelConfig c = gpt2Config();
  c.width = 21;
  c.heads = 7;
  c.hidden = 29;
  TestModel model = randomGpt2(c, 58);
  CHECK(errorOf(fromHf(model, {.architecture = "GPT2LMHeadModel"}), model) < kLimit);
}

TEST_CASE("GPT-2: f16 and bf16 give the bits of f32 that is rounded, stored either way round", "[families]") {
  for (TensorType type : {TensorType::F16, TensorType::BF16}) {
    INFO(nameOf(type));
    TestModel model = randomGpt2(gpt2Config(), 59);
    for (auto& [name, tensor] : model.tensors) tensor.store(type);
    std::vector<float> folder = fromHf(model, {.architecture = "GPT2LMHeadModel"});
    CHECK(bitDifference(folder, fromHf(model.restored(), {.architecture = "GPT2LMHeadModel"})) == "");
    CHECK(bitDifference(folder, fromGguf(model)) == "");
    CHECK(errorOf(folder, model) < kLimit);
  }
}

TEST_CASE("what a folder carries beside its model changes nothing", "[families]") {
  ModelConfig c = smallConfig();
  c.tied = true;
  TestModel llama = randomLlama(c, 54), gpt2 = randomGpt2(gpt2Config(), 55);
  std::vector<float> bare = fromHf(llama), bareGpt2 = fromHf(gpt2, {.architecture = "GPT2LMHeadModel"});
  llama.tensors["output.weight"] = randomLlama(smallConfig(), 56).at("output.weight");  // a head that is said to be tied
  llama.tensors["hf:model.layers.1.self_attn.rotary_emb.inv_freq"] = {{8}, std::vector<float>(8, 1), TensorType::F32, {}};
  CHECK(bitDifference(fromHf(llama), bare) == "");
  gpt2.tensors["hf:transformer.h.0.attn.bias"] = {{1, 1, 160, 160}, std::vector<float>(160 * 160, 1), TensorType::F32, {}};  // causal masks
  gpt2.tensors["hf:transformer.h.1.attn.masked_bias"] = {{1}, {-10000}, TensorType::F32, {}};
  CHECK(bitDifference(fromHf(gpt2, {.architecture = "GPT2LMHeadModel"}), bareGpt2) == "");
}

TEST_CASE("Mistral: a window that no text here exceeds changes nothing; a narrower one does, and cuts no context", "[families]") {
  TestModel model = randomLlama(smallConfig(), 51);
  for (const char* window : {R"(, "sliding_window": null)", R"(, "sliding_window": 4096)", ""}) {
    INFO(window);
    CHECK(errorOf(fromHf(model, {.architecture = "MistralForCausalLM", .more = window}), model) < kLimit);
  }
  Folder folder;
  std::unique_ptr<Session> narrow =
      loadedModel(writeHf(model, folder.path, {.architecture = "MistralForCausalLM", .more = R"(, "sliding_window": 32)"}));
  CHECK(narrow->context() == model.config.context);
  std::vector<float> logits = allLogits(*narrow, someIds());
  CHECK(errorOf(logits, model) > 100 * kLimit);
  model.config.perLayer.assign(2, LayerConfig{.window = 32});
  CHECK(errorOf(logits, model) < kLimit);
}

TEST_CASE("Qwen2: windows from a layer on, where they are switched on", "[families]") {
  ModelConfig c = smallConfig();
  c.rope.pairs = RopePairs::Half;
  TestModel model = randomLlama(c, 151, true), narrow = model;
  narrow.config.perLayer = {LayerConfig{}, LayerConfig{.window = 16}};
  auto of = [&](const char* more) { return fromHf(model, {.architecture = "Qwen2ForCausalLM", .more = more}); };
  CHECK(errorOf(of(R"(, "use_sliding_window": false, "sliding_window": 16, "max_window_layers": 1)"), model) < kLimit);
  CHECK(errorOf(of(R"(, "use_sliding_window": true, "sliding_window": 16, "max_window_layers": 1)"), narrow) < kLimit);
  CHECK(errorOf(of(R"(, "sliding_window": 16, "layer_types": ["full_attention", "sliding_attention"])"), narrow) < kLimit);
  CHECK(errorOf(of(R"(, "use_sliding_window": true, "sliding_window": 16, "max_window_layers": 1)"), model) > 100 * kLimit);
}

TEST_CASE("Llama 3: the folder's scaling and the file's factors give the same angles", "[families]") {
  ModelConfig c = llama3Config(), plain = c;
  plain.rope.scaling = RopeConfig::Scaling::None;
  std::vector<float> factors = llama3Factors(c);
  CHECK(factors.front() == 1);
  CHECK(factors.back() == 8);
  CHECK(std::count_if(factors.begin(), factors.end(), [](float each) { return each > 1.01f && each < 7.99f; }) > 0);
  auto count = static_cast<size_t>(c.context * c.headDim());
  std::vector<float> scaled(count), divided(count), unscaled(count);
  RopeAngles(c.rope, c.headDim(), {}, scaled.data()).reach(c.context);
  RopeAngles(plain.rope, c.headDim(), factors, divided.data()).reach(c.context);
  RopeAngles(plain.rope, c.headDim(), {}, unscaled.data()).reach(c.context);
  double worst = 0, changed = 0;
  for (size_t i = 0; i < count; ++i) {
    worst = std::max(worst, std::fabs(double{scaled[i]} - divided[i]));
    changed = std::max(changed, std::fabs(double{scaled[i]} - unscaled[i]));
  }
  CHECK(worst < static_cast<double>(c.context) * 0x1p-24);  // a factor is a float: position times angle times 2^-24 at most
  CHECK(changed > 0.1);
}

TEST_CASE("Llama 3: logits of both forms", "[families]") {
  TestModel folder = randomLlama(llama3Config(), 52), file = folder;
  file.config.rope.scaling = RopeConfig::Scaling::None;
  TestModel unscaled = file;
  file.tensors["rope_freqs.weight"] = {{file.config.headDim() / 2}, llama3Factors(file.config), TensorType::F32, {}};
  std::vector<float> fromFolder = fromHf(folder, {.more = kLlama3Json}), fromFile = fromGguf(file);
  CHECK(errorOf(fromFolder, folder) < kLimit);
  CHECK(errorOf(fromFile, folder) < kLimit);
  CHECK(errorOf(fromFile, file) < kLimit);
  CHECK(errorOf(fromFile, unscaled) > 100 * kLimit);
}

TEST_CASE("linear scaling of positions, from both kinds of file", "[families]") {
  ModelConfig c = smallConfig();
  c.rope.scaling = RopeConfig::Scaling::Linear;
  c.rope.factor = 4;
  TestModel model = randomLlama(c, 53);
  CHECK(errorOf(fromGguf(model), model) < kLimit);
  CHECK(errorOf(fromHf(model, {.more = R"(, "rope_scaling": {"type": "linear", "factor": 4})"}), model) < kLimit);
  CHECK(errorOf(fromHf(model, {.more = R"(, "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0})"}), model) <
        kLimit);
}

TEST_CASE("GPT-2: the same bits from a file and from folders with and without prefix", "[families]") {
  for (bool tied : {true, false}) {
    INFO((tied ? "tied" : "own head"));
    ModelConfig c = gpt2Config();
    c.tied = tied;
    TestModel model = randomGpt2(c, 60);
    std::vector<float> file = fromGguf(model);
    CHECK(errorOf(file, model) < kLimit);
    CHECK(bitDifference(file, fromHf(model, {.architecture = "GPT2LMHeadModel"})) == "");
    CHECK(bitDifference(file, fromHf(model, {.architecture = "GPT2LMHeadModel", .shards = 3, .prefixed = false})) == "");
  }
}

TEST_CASE("GPT-2: each form of GELU, and linears without bias", "[families]") {
  std::vector<std::vector<float>> all;
  for (const char* form : {"tanh", "erf", "sigmoid"}) {
    INFO(form);
    ModelConfig c = gpt2Config();
    c.gelu = form;
    TestModel model = randomGpt2(c, 61);
    all.push_back(fromHf(model, {.architecture = "GPT2LMHeadModel"}));
    CHECK(errorOf(all.back(), model) < kLimit);
    for (const auto& [name, tensor] : TestModel(model).tensors)
      if (name.ends_with(".bias") && name.find("norm") == std::string::npos) model.tensors.erase(name);
    CHECK(errorOf(fromHf(model, {.architecture = "GPT2LMHeadModel"}), model) < kLimit);
  }
  CHECK(bitDifference(all[0], all[1]) != "");
  CHECK(bitDifference(all[0], all[2]) != "");
}

TEST_CASE("every family on every level", "[families]") {
  TestModel llama = randomLlama(smallConfig(), 70), gpt2 = randomGpt2(gpt2Config(), 71);
  for (const Target& target : runnableLevels())
    for (const TestModel* model : {&llama, &gpt2}) {
      INFO(target.name << ", " << model->family);
      Folder folder;
      CHECK(errorOf(allLogits(*loadedModel(writeGguf(*model, folder.path), {}, target), someIds()), *model) < kLimit);
    }
}
