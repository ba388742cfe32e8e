// tests/model/AdapterTest.cpp — LoRA adapters on models of every architecture: as the forward in double of the weights that they make; the
// same bits in chunks and token by token; what is refused.
#include "models/Adapter.h"
#include "models/files/SafetensorsWriter.h"
#include "tests/model/ReferenceDecoder.h"
#include "tests/model/TestAdapter.h"
#include "tests/model/TestFamilies.h"

#include <algorithm>
#include <cmath>
#include <iostream>

using namespace quern;

namespace {

/// As ArchitecturesTest.cpp has it.
constexpr double kLimit = 2.5e-6;

std::vector<int32_t> someIds() { return randomIds(40, smallConfig().vocab, 21); }

bool everything(const std::string&) { return true; }

using Adapters = std::vector<std::pair<std::string, double>>;

std::unique_ptr<Session> adaptedModel(const std::string& path, const Adapters& adapters, const ModelOptions& options = {},
                                      Compute compute = Compute::Exact) {
  ModelSource source = need(openModelFiles(path));
  source.compute = compute;
  for (const auto& [file, scale] : adapters) REQUIRE(addAdapter(source, {file, scale}));
  KernelLibrary& library = kernelsOf(hostTarget());
  return need(Session::load(std::move(source), [&library](const OpDesc& desc) { return library.kernels(desc); }, options));
}

std::string refusal(const std::string& path, const std::string& adapter, double scale = 1) {
  ModelSource source = need(openModelFiles(path));
  auto added = addAdapter(source, {adapter, scale});
  if (!added) return added.error().message;
  auto checked = checkModel(source);
  return checked ? "" : checked.error().message;
}

}  // namespace

TEST_CASE("adapters on every architecture, PEFT's and GGUF's, are the weights that they make", "[adapters]") {
  for (const TestFamily& family : testFamilies()) {
    INFO(family.name);
    Folder file, folder, gguf, peft;
    TestAdapter adapter = randomAdapter(family.model, 71, everything);
    std::vector<int32_t> ids = someIds();
    auto exact = referenceLogits(merged(family.model, adapter), ids);
    std::string modelFile = writeGguf(family.model, file.path), ggufFile = writeGgufAdapter(family.model, adapter, gguf.path);
    std::vector<float> adapted = allLogits(*adaptedModel(modelFile, {{ggufFile, 1}}), ids);
    double error = relativeError(adapted, exact);
    CHECK(error < kLimit);
    CHECK(relativeError(adapted, referenceLogits(family.model, ids)) > 100 * kLimit);
    std::cout << family.name << ": " << error << " of the largest logit\n";
    const TestModel inFolders = asInFolders(family.model);
    bool ownForm =
        std::any_of(inFolders.tensors.begin(), inFolders.tensors.end(), [](const auto& each) { return each.first.starts_with("hf:"); });
    if (ownForm) continue;  // folders have some of it in tensors of another form, which adapters cannot name
    std::string modelFolder = writeHf(family.model, folder.path, family.hf), peftFolder = writePeft(family.model, adapter, peft.path);
    CHECK(relativeError(allLogits(*adaptedModel(modelFolder, {{peftFolder, 1}}), ids), exact) < kLimit);
    // On a GGUF file a folder's adapter is the file's own but for its order of rows.
    if (family.name == std::string_view("gptneox")) {
      CHECK(refusal(modelFile, peftFolder).ends_with("GGUF files store in another order: open the model's own folder"));
      continue;
    }
    CHECK(bitDifference(adapted, allLogits(*adaptedModel(modelFile, {{peftFolder, 1}}), ids)) == "");
  }
}

TEST_CASE("adapters of some weights, several of them, scaled; the head by itself", "[adapters]") {
  ModelConfig c = smallConfig();
  c.tied = true;
  for (bool gpt2 : {false, true}) {
    INFO((gpt2 ? "gpt2" : "llama"));
    if (gpt2) c.kvHeads = 0, c.gelu = "tanh";
    TestModel model = gpt2 ? randomGpt2(c, 80) : randomLlama(c, 80, true);
    Folder file, folder, one, two, third;
    auto ends = [](std::initializer_list<const char*> stems) {
      return [all = std::vector<std::string>(stems.begin(), stems.end())](const std::string& name) {
        return std::any_of(all.begin(), all.end(), [&](const std::string& each) { return name.find(each) != std::string::npos; });
      };
    };
    TestAdapter first = randomAdapter(model, 81, ends({"attn_q", "attn_v", "blk.1.ffn_down"})),
                second = randomAdapter(model, 82, everything);
    second.alpha = 3;
    std::vector<int32_t> ids = someIds();
    auto exact = referenceLogits(merged(merged(model, first), second, -0.75), ids);
    Adapters files = {{writeGgufAdapter(model, first, one.path), 1}, {writePeft(model, second, two.path), -0.75}};
    std::string path = writeGguf(model, file.path);
    CHECK(relativeError(allLogits(*adaptedModel(path, files), ids), exact) < kLimit);
    // One with an alpha of its own, and scales by the root of the rank.
    files[0].first = writePeft(model, first, third.path,
                               R"(, "alpha_pattern": {"mlp.down_proj": 16, "1.mlp.c_proj": 16, "proj": 3}, "use_rslora": true)");
    for (auto& [name, pair] : first.pairs) {
      double alpha = name.find("ffn_down") != std::string::npos ? 16 : 8;  // "proj" is no whole name of a module
      for (float& each : pair.up.values)
        each = static_cast<float>(double{each} * alpha / 8 * std::sqrt(static_cast<double>(pair.up.shape.back())));
    }
    exact = referenceLogits(merged(merged(model, first), second, -0.75), ids);
    HfOptions options{.architecture = gpt2 ? "GPT2LMHeadModel" : "LlamaForCausalLM"};
    CHECK(relativeError(allLogits(*adaptedModel(writeHf(model, folder.path, options), files), ids), exact) < kLimit);
  }
}

TEST_CASE("adapted models have the same bits whole, in chunks and token by token, exactly and rounded", "[adapters]") {
  size_t compared = 0;
  for (const TestFamily& family : testFamilies()) {
    bool some =
        family.name == std::string_view("qwen3") || family.name == std::string_view("mixtral") || family.name == std::string_view("gemma2");
    if (!some) continue;
    for (TensorType type : {TensorType::F32, TensorType::Q8_0, TensorType::BF16}) {
      TestModel model = family.model;
      model.storeMatrices(type);
      TestAdapter adapter = randomAdapter(model, 90, everything);
      for (auto& [name, pair] : adapter.pairs)
        if (type == TensorType::BF16) pair.down.store(TensorType::BF16), pair.up.store(TensorType::BF16);
      Folder folder, own;
      std::string path = writeGguf(model, folder.path);
      Adapters files = {{writeGgufAdapter(model, adapter, own.path), 0.5}};
      std::vector<int32_t> ids = someIds();
      for (Compute compute : {Compute::Exact, Compute::Fast}) {
        INFO(family.name << " of " << nameOf(type) << ", " << nameOf(compute));
        std::vector<float> right = allLogits(*adaptedModel(path, files, {}, compute), ids), single;
        if (compute == Compute::Exact) CHECK(relativeError(right, referenceLogits(merged(model, adapter, 0.5), ids)) < kLimit);
        for (int threads : {2, 3})
          CHECK(bitDifference(right, allLogits(*adaptedModel(path, files, {.chunk = 9, .threads = threads}, compute), ids)) == "");
        std::unique_ptr<Session> one = adaptedModel(path, files, {.threads = 2}, compute);
        for (size_t i = 0; i < ids.size(); ++i)
          for (float each : allLogits(*one, std::span(ids).subspan(i, 1), static_cast<int64_t>(i))) single.push_back(each);
        CHECK(bitDifference(right, single) == "");
        ++compared;
      }
    }
  }
  CHECK(compared == 18);
}

TEST_CASE("weights that training saved whole take the place of the model's", "[adapters]") {
  ModelConfig c = smallConfig();
  c.tied = true;
  TestModel model = randomLlama(c, 85), other = model;
  other.tensors["output.weight"] = randomLlama(c, 86).at("token_embd.weight");
  other.config.tied = false;
  TestAdapter adapter = randomAdapter(model, 87, [](const std::string& name) { return name.find("attn_q") != std::string::npos; });
  Folder folder, file, peft;
  std::string path = writeHf(model, folder.path), own = writePeft(model, adapter, peft.path);
  // The head beside the pairs.
  SafetensorsWriter writer;
  std::vector<std::vector<std::byte>> bytes;
  bytes.reserve(64);
  WeightFiles pairs = need(WeightFiles::openAdapter(own));
  for (const FileTensor& tensor : pairs.tensors()) {
    bytes.emplace_back(tensor.data, tensor.data + tensor.bytes);
    writer.tensor(tensor.name, tensor.type, tensor.shape, sourceOf(bytes.back()));
  }
  const TestTensor& head = other.at("output.weight");
  const auto* raw = reinterpret_cast<const std::byte*>(head.values.data());
  bytes.emplace_back(raw, raw + head.values.size() * 4);
  writer.tensor("base_model.model.lm_head.weight", TensorType::F32, head.shape, sourceOf(bytes.back()));
  REQUIRE(writer.write(own + "/adapter_model.safetensors"));
  std::vector<int32_t> ids = someIds();
  auto exact = referenceLogits(merged(other, adapter), ids);
  CHECK(relativeError(allLogits(*adaptedModel(path, {{own, 1}}), ids), exact) < kLimit);
  CHECK(relativeError(allLogits(*adaptedModel(writeGguf(model, file.path), {{own + "/adapter_model.safetensors", 1}}), ids), exact) <
        kLimit);
  CHECK(refusal(path, own, 0.5)
            .ends_with("tensor 'base_model.model.lm_head.weight' takes the place of a weight, and a scale of 0.5 leaves no part of it"));
}

TEST_CASE("adapters that would be another model are refused by name", "[adapters]") {
  TestModel model = randomLlama(smallConfig(), 88);
  Folder file, folder;
  std::string path = writeGguf(model, file.path), modelFolder = writeHf(model, folder.path);
  TestAdapter good = randomAdapter(model, 89, [](const std::string& name) { return name.find("blk.0.attn_q") != std::string::npos; });
  auto peft = [&](const TestAdapter& adapter, const std::string& more = "") {
    Folder own;
    writePeft(model, adapter, own.path, more);
    return refusal(modelFolder, own.path);
  };
  CHECK(peft(good) == "");
  auto ends = [](const std::string& text, const std::string& ending) {
    INFO(text);
    CHECK(text.ends_with(ending));
  };
  ends(peft(good, R"(, "use_qalora": true)"), "'use_qalora' is true, which nothing here heeds, so the result could be another");
  ends(peft(good, R"(, "init_lora_weights": "pissa_niter_4")"),
       "'init_lora_weights' is 'pissa_niter_4', an adapter that left its model as it was (PEFT converts it when it saves) is needed");
  ends(peft(good, R"(, "alpha_pattern": {"q_.*": 3})"),
       "'alpha_pattern' is 3 for 'q_.*', a number for the end of a module's name is needed");
  CHECK(peft(good, R"(, "init_lora_weights": true, "use_rslora": false, "modules_to_save": null, "loftq_config": {})") == "");
  // As PEFT 0.19 saves one.
  CHECK(peft(good,
             R"(, "alora_invocation_tokens": null, "alpha_pattern": {}, "arrow_config": null, "auto_mapping": null, "corda_config": null,
    "ensure_weight_tying": false, "eva_config": null, "exclude_modules": null, "fan_in_fan_out": false, "inference_mode": true,
    "init_lora_weights": true, "layer_replication": null, "layers_pattern": null, "layers_to_transform": null, "loftq_config": {},
    "lora_bias": false, "lora_ga_config": null, "megatron_config": null, "megatron_core": "megatron.core",
    "modules_to_save": null, "peft_version": "0.19.1", "qalora_group_size": 16, "rank_pattern": {}, "revision": null,
    "target_parameters": null, "trainable_token_indices": null, "use_bdlora": null,
    "use_qalora": false, "use_rslora": false)") == "");
  TestAdapter bad = good;
  ends(peft(good, R"(, "rank_pattern": 3)"), "'rank_pattern' is an integer, an object or null is needed");
  ends(peft(good, R"(, "alpha_pattern": [])"), "'alpha_pattern' is an array, an object or null is needed");
  bad.said = good.pairs.begin()->second.up.shape.back() + 1;
  ends(peft(bad), fmt::format("adapter_config.json is {}", bad.said));
  bad = good;
  bad.pairs["blk.0.attn_q.weight"].down.shape = {1, bad.pairs["blk.0.attn_q.weight"].down.shape[0] * 64};
  CHECK(peft(bad).find("q_proj.lora_A.weight' is [1, ") != std::string::npos);
  bad = good;
  bad.pairs["blk.7.attn_q.weight"] = good.pairs.begin()->second;
  ends(peft(bad), "a tensor that the architecture has no use for: base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight");
  Folder gguf;
  std::string ours = writeGgufAdapter(model, good, gguf.path);
  CHECK(refusal(path, ours) == "");
  ends(refusal(modelFolder, ours), "is for a GGUF file, whose names and order of rows it has; a model's folder takes PEFT's own folder");
  ends(refusal(path, path), "'general.type' is missing, 'adapter' is needed");
  TestModel elsewhere = model;
  elsewhere.family = "qwen2";
  ends(refusal(path, writeGgufAdapter(elsewhere, good, gguf.path)), "'general.architecture' is qwen2, 'llama', the model's, is needed");
  CHECK(need(adapterNamed("a/b.gguf")).scale == 1);
  CHECK(need(adapterNamed("a/b.gguf:-0.25")).scale == -0.25);
  CHECK(need(adapterNamed("a:b/c:2")).path == "a:b/c");
  CHECK_FALSE(adapterNamed("a/b.gguf:half"));
  CHECK(need(adapterNamed(ours)).path == ours);
}
