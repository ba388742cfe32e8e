// tests/fuzz/FuzzAdapter.cpp — any bytes as an adapter on a small model: refused in plain words, or the graph can be written and its
// weights made. Built by run. The bytes are a GGUF file, for a GGUF file; or behind a byte, which is odd for a model's folder, an
// adapter_config.json, a line of dashes, and the header of adapter_model.safetensors, whose tensors hold zeros.
#include "models/Adapter.h"
#include "models/Model.h"
#include "models/files/GgufWriter.h"
#include "models/files/SafetensorsWriter.h"
#include "tests/fuzz/FuzzFolder.h"
#include "tests/fuzz/FuzzKernels.h"
#include "tests/fuzz/FuzzSupport.h"
#include "tests/fuzz/FuzzTensors.h"

#include <fmt/format.h>

using namespace quern;

static const std::vector<std::byte> kZeros(size_t{4} * 16 * 32);

/// A Llama of one layer with all weights 0, its head the table.
static void eachTensor(bool folder, const std::function<void(const std::string& name, std::vector<int64_t> shape)>& take) {
  auto add = [&](const char* gguf, const char* hf, std::vector<int64_t> shape) {
    take(fmt::format("{}{}.weight", folder ? "model." : "", folder ? hf : gguf), std::move(shape));
  };
  add("token_embd", "embed_tokens", {12, 16}), add("output_norm", "norm", {16});
  add("blk.0.attn_norm", "layers.0.input_layernorm", {16}), add("blk.0.ffn_norm", "layers.0.post_attention_layernorm", {16});
  add("blk.0.attn_q", "layers.0.self_attn.q_proj", {16, 16}), add("blk.0.attn_output", "layers.0.self_attn.o_proj", {16, 16});
  add("blk.0.attn_k", "layers.0.self_attn.k_proj", {8, 16}), add("blk.0.attn_v", "layers.0.self_attn.v_proj", {8, 16});
  add("blk.0.ffn_gate", "layers.0.mlp.gate_proj", {32, 16}), add("blk.0.ffn_up", "layers.0.mlp.up_proj", {32, 16});
  add("blk.0.ffn_down", "layers.0.mlp.down_proj", {16, 32});
}

static std::string ggufModel(const FuzzFolder& folder) {
  GgufWriter writer;
  writer.string("general.architecture", "llama");
  for (auto [key, value] : {std::pair("block_count", 1),
                            {"context_length", 32},
                            {"embedding_length", 16},
                            {"feed_forward_length", 32},
                            {"attention.head_count", 2},
                            {"attention.head_count_kv", 1},
                            {"vocab_size", 12}})
    writer.u32(fmt::format("llama.{}", key), static_cast<uint32_t>(value));
  writer.f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  eachTensor(false, [&](const std::string& name, const std::vector<int64_t>& shape) {
    writer.tensor(name, TensorType::F32, shape, sourceOf(std::span(kZeros).first(static_cast<size_t>(*elementsOf(shape)) * 4)));
  });
  std::string path = folder.path() + "/model.gguf";
  QUERN_CHECK(static_cast<bool>(writer.write(path)));
  return path;
}

static std::string folderModel(const FuzzFolder& folder) {
  folder.put(
      "model/config.json",
      R"({"architectures": ["LlamaForCausalLM"], "vocab_size": 12, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, )"
      R"("num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 32, "tie_word_embeddings": true})");
  SafetensorsWriter writer;
  eachTensor(true, [&](const std::string& name, const std::vector<int64_t>& shape) {
    writer.tensor(name, TensorType::F32, shape, sourceOf(std::span(kZeros).first(static_cast<size_t>(*elementsOf(shape)) * 4)));
  });
  QUERN_CHECK(static_cast<bool>(writer.write(folder.path() + "/model/model.safetensors")));
  return folder.path() + "/model";
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const FuzzFolder folder;
  static const std::string gguf = ggufModel(folder), hf = folderModel(folder);
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  if (rest.size() < 2) return 0;
  std::string path = folder.path() + "/adapter";
  bool onFolder = false;
  if (rest.starts_with("GGUF")) {
    path = folder.put("adapter.gguf", rest);
  } else {
    onFolder = rest[0] % 2 != 0;
    size_t dashes = rest.find("\n---\n");
    std::string_view header = dashes == std::string_view::npos ? std::string_view("{}") : rest.substr(dashes + 5);
    folder.put("adapter/adapter_config.json", rest.substr(1, dashes == std::string_view::npos ? dashes : dashes - 1));
    folder.put("adapter/adapter_model.safetensors", safetensors(header, {}));
  }
  auto source = openModelFiles(onFolder ? hf : gguf);
  QUERN_CHECK_FOR(static_cast<bool>(source), source.error().message);
  auto added = addAdapter(*source, {path, 0.5});
  auto named = [&](const Error& error) {
    checkMessage(error);
    QUERN_CHECK_FOR(error.message.find("/adapter") != std::string::npos, error.message);
  };
  if (!added) return named(added.error()), 0;
  auto model = Model::load(std::move(*source), describedKernel, {.threads = 1});
  if (!model) named(model.error());
  return 0;
}
