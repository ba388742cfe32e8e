// tests/model/TestModelFiles.cpp — a TestModel as GGUF and as a Hugging Face folder; loading is in TestModel.cpp.
#include "models/files/SafetensorsWriter.h"
#include "tests/model/TestModel.h"

#include <cstring>

namespace quern {

namespace {

/// The bytes of a tensor, which the sources of writers only view.
std::vector<std::byte> bytesOfTensor(const TestTensor& tensor) {
  if (!tensor.raw.empty()) return tensor.raw;
  std::vector<std::byte> bytes(tensor.values.size() * 4);
  std::memcpy(bytes.data(), tensor.values.data(), bytes.size());
  return bytes;
}

bool isLayerNormed(const TestModel& model) { return model.has("output_norm.bias"); }

void writeScaling(GgufWriter& writer, const TestModel& model) {
  const RopeConfig& rope = model.config.rope;
  auto key = [&](const char* name) { return model.family + ".rope.scaling." + name; };
  using Scaling = RopeConfig::Scaling;
  if (rope.scaling == Scaling::None || rope.scaling == Scaling::Llama3) return;
  if (rope.scaling == Scaling::Long)
    return writer.f32(key("attn_factor"), static_cast<float>(rope.magnitude)),
           writer.u32(key("original_context_length"), static_cast<uint32_t>(rope.originalContext));
  writer.string(key("type"), rope.scaling == Scaling::Yarn ? "yarn" : "linear");
  writer.f32(key("factor"), static_cast<float>(rope.factor));
  if (rope.scaling == Scaling::Yarn) writer.u32(key("original_context_length"), static_cast<uint32_t>(rope.originalContext));
}

void writeKeys(GgufWriter& writer, const TestModel& model) {
  const ModelConfig& c = model.config;
  auto key = [&](const char* name) { return model.family + "." + name; };
  auto size = [&](const char* name, int64_t value) { writer.u32(key(name), static_cast<uint32_t>(value)); };
  writer.string("general.architecture", model.family);
  if (!model.tokenizer.empty()) writer.string("tokenizer.ggml.model", model.tokenizer);
  size("block_count", c.layers);
  size("context_length", c.context);
  size("embedding_length", c.width);
  auto sizes = [&](const char* name, int64_t LayerConfig::* member, int64_t alike) {  // of each layer, where one has its own
    std::vector<int32_t> all;
    for (int64_t i = 0; i < c.layers; ++i) all.push_back(static_cast<int32_t>(c.layer(i).*member));
    if (c.ownSizes()) writer.integers(key(name), all);
    else size(name, alike);
  };
  sizes("feed_forward_length", &LayerConfig::hidden, c.hidden);
  sizes("attention.head_count", &LayerConfig::heads, c.heads);
  size("vocab_size", c.vocab);
  bool bert = model.family == "bert";
  if (model.family == "gpt2" || bert) writer.f32(key("attention.layer_norm_epsilon"), c.eps);
  if (bert) {
    writer.boolean(key("attention.causal"), false);
    size("pooling_type", c.pooling == Pooling::First ? 2 : 1);
    writer.u32("tokenizer.ggml.token_type_count", static_cast<uint32_t>(c.segments));
  }
  if (model.family == "gpt2" || bert) return;
  sizes("attention.head_count_kv", &LayerConfig::kvHeads, c.keyHeads());
  writer.f32(key(isLayerNormed(model) ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon"), c.eps);
  writer.f32(key("rope.freq_base"), static_cast<float>(c.rope.base));
  if (c.headSize != 0) size("attention.key_length", c.headSize), size("attention.value_length", c.headSize);
  if (c.turned != 0) size("rope.dimension_count", c.turned);
  writeScaling(writer, model);
  auto number = [&](const char* name, double value) { writer.f32(key(name), static_cast<float>(value)); };
  int64_t window = 0, windowed = 0;
  for (const LayerConfig& layer : c.perLayer) window = std::max(window, layer.window), windowed += layer.window != 0;
  if (window != 0) size("attention.sliding_window", window);
  if (windowed != 0 && windowed < c.layers) size("attention.sliding_window_pattern", c.layers);  // all but the last
  if (c.scoreCap != 0) number("attn_logit_softcapping", c.scoreCap);
  if (c.logitCap != 0) number("final_logit_softcapping", c.logitCap);
  if (model.family == "gemma3") number("rope.freq_base_swa", c.localRope.base);
  if (isLayerNormed(model) && model.family != "starcoder2") writer.boolean(key("use_parallel_residual"), c.parallel);
  if (c.experts != 0) size("expert_count", c.experts), size("expert_used_count", c.usedExperts);
  if (c.experts != 0) size("expert_feed_forward_length", c.expertHidden);
  if (c.sharedHidden != 0) size("expert_shared_feed_forward_length", c.sharedHidden);
  if (!model.family.starts_with("granite")) return;
  number("embedding_scale", c.embeddingScale);
  number("residual_scale", c.residualScale);
  number("attention.scale", c.attentionScale);
  number("logit_scale", 1 / c.logitScale);
}

using Names = std::span<const std::pair<const char*, const char*>>;

/// How folders of a family call what is inside of layers and around them, and what stands before both.
struct HfNames {
  std::vector<Names> names;  ///< the first that has it
  const char *before, *layers;
};

HfNames hfNamesOf(const std::string& family, bool prefixed) {
  static constexpr std::pair<const char*, const char*> kGpt2[] = {
      {"token_embd", "wte"}, {"position_embd", "wpe"},    {"output_norm", "ln_f"},
      {"attn_norm", "ln_1"}, {"attn_qkv", "attn.c_attn"}, {"attn_output", "attn.c_proj"},
      {"ffn_norm", "ln_2"},  {"ffn_up", "mlp.c_fc"},      {"ffn_down", "mlp.c_proj"}};
  static constexpr std::pair<const char*, const char*> kLlama[] = {
      {"token_embd", "embed_tokens"},      {"output_norm", "norm"},
      {"attn_norm", "input_layernorm"},    {"attn_q", "self_attn.q_proj"},
      {"attn_k", "self_attn.k_proj"},      {"attn_v", "self_attn.v_proj"},
      {"attn_output", "self_attn.o_proj"}, {"ffn_norm", "post_attention_layernorm"},
      {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
      {"ffn_down", "mlp.down_proj"},       {"attn_q_norm", "self_attn.q_norm"},
      {"attn_k_norm", "self_attn.k_norm"}, {"attn_qkv", "self_attn.qkv_proj"}};
  static constexpr std::pair<const char*, const char*> kNormedAfter[] = {{"ffn_norm", "pre_feedforward_layernorm"},
                                                                         {"post_attention_norm", "post_attention_layernorm"},
                                                                         {"post_ffw_norm", "post_feedforward_layernorm"}};
  static constexpr std::pair<const char*, const char*> kPhi[] = {{"ffn_up", "mlp.gate_up_proj"}};
  static constexpr std::pair<const char*, const char*> kStar[] = {{"ffn_up", "mlp.c_fc"}, {"ffn_down", "mlp.c_proj"}};
  static constexpr std::pair<const char*, const char*> kNeox[] = {
      {"token_embd", "embed_in"},         {"output_norm", "final_layer_norm"},
      {"attn_norm", "input_layernorm"},   {"attn_qkv", "attention.query_key_value"},
      {"attn_output", "attention.dense"}, {"ffn_norm", "post_attention_layernorm"},
      {"ffn_up", "mlp.dense_h_to_4h"},    {"ffn_down", "mlp.dense_4h_to_h"}};
  static constexpr std::pair<const char*, const char*> kMixtral[] = {{"ffn_gate_inp", "block_sparse_moe.gate"}};
  static constexpr std::pair<const char*, const char*> kQwenMoe[] = {{"ffn_gate_inp", "mlp.gate"},
                                                                     {"ffn_gate_inp_shexp", "mlp.shared_expert_gate"},
                                                                     {"ffn_gate_shexp", "mlp.shared_expert.gate_proj"},
                                                                     {"ffn_up_shexp", "mlp.shared_expert.up_proj"},
                                                                     {"ffn_down_shexp", "mlp.shared_expert.down_proj"}};
  static constexpr std::pair<const char*, const char*> kGraniteMoe[] = {{"ffn_gate_inp", "block_sparse_moe.router.layer"},
                                                                        {"ffn_down_shexp", "shared_mlp.output_linear"}};
  static constexpr std::pair<const char*, const char*> kStable[] = {{"attn_q_norm", "self_attn.q_layernorm.norms"},
                                                                    {"attn_k_norm", "self_attn.k_layernorm.norms"}};
  static constexpr std::pair<const char*, const char*> kElm[] = {
      {"token_embd", "token_embeddings"}, {"output_norm", "norm"},        {"attn_norm", "attn_norm"},
      {"attn_qkv", "attn.qkv_proj"},      {"attn_q_norm", "attn.q_norm"}, {"attn_k_norm", "attn.k_norm"},
      {"attn_output", "attn.out_proj"},   {"ffn_norm", "ffn_norm"},       {"ffn_down", "ffn.proj_2"}};
  static constexpr std::pair<const char*, const char*> kGptOss[] = {{"ffn_gate_inp", "mlp.router"},
                                                                    {"post_attention_norm", "post_attention_layernorm"}};
  if (family == "llama") return {{kMixtral, kLlama}, "model.", "layers."};
  if (family == "qwen3moe" || family == "qwen2moe" || family == "olmoe") return {{kQwenMoe, kLlama}, "model.", "layers."};
  if (family == "granitemoe") return {{kGraniteMoe, kLlama}, "model.", "layers."};
  if (family == "stablelm") return {{kStable, kLlama}, "model.", "layers."};
  if (family == "openelm") return {{kElm}, "transformer.", "layers."};
  if (family == "gpt-oss") return {{kGptOss, kLlama}, "model.", "layers."};
  static constexpr std::pair<const char*, const char*> kBert[] = {{"token_embd", "embeddings.word_embeddings"},
                                                                  {"position_embd", "embeddings.position_embeddings"},
                                                                  {"token_embd_norm", "embeddings.LayerNorm"},
                                                                  {"token_types", "embeddings.token_type_embeddings"},
                                                                  {"attn_q", "attention.self.query"},
                                                                  {"attn_k", "attention.self.key"},
                                                                  {"attn_v", "attention.self.value"},
                                                                  {"attn_output", "attention.output.dense"},
                                                                  {"ffn_up", "intermediate.dense"},
                                                                  {"attn_output_norm", "attention.output.LayerNorm"},
                                                                  {"ffn_down", "output.dense"},
                                                                  {"layer_output_norm", "output.LayerNorm"}};
  if (family == "bert") return {{kBert}, "", "encoder.layer."};
  if (family == "gpt2") return {{kGpt2}, prefixed ? "transformer." : "", "h."};
  if (family == "gptneox") return {{kNeox}, "gpt_neox.", "layers."};
  if (family == "gemma2" || family == "gemma3" || family == "olmo2") return {{kNormedAfter, kLlama}, "model.", "layers."};
  if (family == "phi3") return {{kPhi, kLlama}, "model.", "layers."};
  if (family == "starcoder2") return {{kStar, kLlama}, "model.", "layers."};
  return {{kLlama}, "model.", "layers."};
}

/// As HF names it; behind "hf:" as it is.
std::string hfName(const std::string& name, const std::string& family, bool prefixed) {
  if (name.starts_with("hf:")) return name.substr(3);
  if (name.starts_with("output.")) return (family == "gptneox" ? "embed_out." : "lm_head.") + name.substr(7);
  if (size_t stack = name.find("_exps."); stack != std::string::npos) {
    bool mixtral = family == "llama";
    std::string which = name.substr(stack - 8, 8), number = name.substr(stack + 6, name.rfind('.') - stack - 6);
    const char* own = which.ends_with("gate") ? (mixtral ? "w1" : "gate_proj")
                      : which.ends_with("up") ? (mixtral ? "w3" : "up_proj")
                                              : (mixtral ? "w2" : "down_proj");
    return fmt::format("model.layers.{}.{}.experts.{}.{}.weight", name.substr(4, name.find('.', 4) - 4),
                       mixtral ? "block_sparse_moe" : "mlp", number, own);
  }
  size_t dot = name.rfind('.'), begin = name.starts_with("blk.") ? name.find('.', 4) + 1 : 0;
  std::string stem = name.substr(begin, dot - begin), kind = name.substr(dot), layer = begin == 0 ? "" : name.substr(4, begin - 4);
  if (size_t number = stem.rfind('.'); number != std::string::npos) kind = stem.substr(number) + kind, stem.resize(number);
  HfNames all = hfNamesOf(family, prefixed);
  for (const Names& names : all.names)
    for (const auto& [ours, theirs] : names)
      if (stem == ours) return fmt::format("{}{}{}{}", all.before, layer.empty() ? "" : all.layers + layer, theirs, kind);
  FAIL("no Hugging Face name for " << name);
  return "";
}

/// q, k and v of each head together.
TestTensor headByHead(const TestTensor& from, const ModelConfig& c) {
  TestTensor to = from;
  auto heads = static_cast<size_t>(c.heads), size = from.values.size() / (3 * heads);
  for (size_t head = 0; head < heads; ++head)
    for (size_t part = 0; part < 3; ++part)
      std::copy_n(from.values.begin() + static_cast<std::ptrdiff_t>((part * heads + head) * size), size,
                  to.values.begin() + static_cast<std::ptrdiff_t>((head * 3 + part) * size));
  return to;
}

TestTensor transposed(const TestTensor& from) {
  TestTensor to = from;
  std::swap(to.shape[0], to.shape[1]);
  auto rows = static_cast<size_t>(from.shape[0]), columns = static_cast<size_t>(from.shape[1]);
  for (size_t r = 0; r < rows; ++r)
    for (size_t c = 0; c < columns; ++c) to.values[c * rows + r] = from.values[r * columns + c];
  return to;
}

/// As HF keeps it: the type stays where it is a plain one.
TestTensor hfTensor(const TestModel& model, const std::string& name, const TestTensor& tensor) {
  TestTensor out = hfRows(model, name, tensor);
  if (model.family == "gpt2" && name.starts_with("blk.") && tensor.shape.size() == 2) out = transposed(tensor);
  if (model.family.starts_with("gemma") && tensor.shape.size() == 1)
    for (float& gain : out.values) gain -= 1;
  if (name.find("ffn_gate_inp_shexp.") != std::string::npos) out.shape.insert(out.shape.begin(), 1);
  out.store(tensor.type);
  return out;
}

std::string hfConfig(const TestModel& model, const HfOptions& options) {
  const ModelConfig& c = model.config;
  if (model.family == "bert")
    return fmt::format(
        R"({{"architectures": ["{}"], "vocab_size": {}, "num_hidden_layers": {}, "num_attention_heads": {}, "hidden_size": {}, )"
        R"("intermediate_size": {}, "max_position_embeddings": {}, "type_vocab_size": {}, "layer_norm_eps": {}, "pad_token_id": 1{}}})",
        options.architecture, c.vocab, c.layers, c.heads, c.width, c.hidden, c.context + c.firstPosition, c.segments, c.eps, options.more);
  std::string head =
      fmt::format(R"({{"architectures": ["{}"], "vocab_size": {}, "tie_word_embeddings": {})", options.architecture, c.vocab, c.tied);
  if (model.family == "gpt2")
    head += fmt::format(R"(, "n_layer": {}, "n_head": {}, "n_embd": {}, "n_positions": {}, "n_inner": {}, "layer_norm_epsilon": {}, )"
                        R"("activation_function": "{}")",
                        c.layers, c.heads, c.width, c.context, c.hidden, c.eps,
                        c.gelu == "tanh"  ? "gelu_new"
                        : c.gelu == "erf" ? "gelu"
                                          : "quick_gelu");
  else if (model.family != "openelm")  // which has all of it in `more`
    head += fmt::format(R"(, "num_hidden_layers": {}, "num_attention_heads": {}, "num_key_value_heads": {}, "hidden_size": {}, )"
                        R"("intermediate_size": {}, "max_position_embeddings": {}, "rope_theta": {})",
                        c.layers, c.heads, c.keyHeads(), c.width, c.hidden, c.context, c.rope.base);
  if (model.family != "gpt2" && !isLayerNormed(model)) head += fmt::format(R"(, "rms_norm_eps": {})", c.eps);
  if (c.headSize != 0) head += fmt::format(R"(, "head_dim": {})", c.headSize);
  return head + options.more + "}";
}

}  // namespace

TestTensor halvedPairs(const TestTensor& from, int64_t headSize) {
  TestTensor to = from;
  size_t row = from.values.size() / static_cast<size_t>(from.shape[0]), size = static_cast<size_t>(headSize);
  for (size_t r = 0; r < static_cast<size_t>(from.shape[0]); ++r) {
    size_t head = r / size, within = r % size, source = head * size + (within < size / 2 ? 2 * within : 2 * (within - size / 2) + 1);
    std::copy_n(from.values.begin() + static_cast<std::ptrdiff_t>(source * row), row,
                to.values.begin() + static_cast<std::ptrdiff_t>(r * row));
  }
  return to;
}

TestTensor hfRows(const TestModel& model, const std::string& name, const TestTensor& tensor) {
  bool rotated = name.find("attn_q.") != std::string::npos || name.find("attn_k.") != std::string::npos;
  if (rotated && model.config.rope.pairs == RopePairs::Adjacent) return halvedPairs(tensor, model.config.headDim());
  if (model.family == "gptneox" && name.find("attn_qkv.") != std::string::npos) return headByHead(tensor, model.config);
  return tensor;
}

std::string hfNameIn(const TestModel& model, const std::string& name) { return hfName(name, model.family, true); }

std::string writeGguf(const TestModel& given, const std::string& folder, int parts) {
  TestModel model = given;
  const RopeConfig& rope = model.config.rope;
  for (const auto& [name, factors] :
       {std::pair{"rope_factors_short.weight", &rope.shortFactors}, {"rope_factors_long.weight", &rope.longFactors}})
    if (!factors->empty()) model.tensors[name] = {{static_cast<int64_t>(factors->size())}, *factors, TensorType::F32, {}};
  std::vector<GgufWriter> writers(static_cast<size_t>(parts));
  writeKeys(writers[0], model);
  for (int part = 0; part < parts && parts > 1; ++part) {
    GgufWriter& writer = writers[static_cast<size_t>(part)];
    writer.u32("split.no", static_cast<uint32_t>(part));
    writer.u32("split.count", static_cast<uint32_t>(parts));
    writer.i32("split.tensors.count", static_cast<int32_t>(model.tensors.size()));
  }
  std::vector<std::vector<std::byte>> bytes;
  bytes.reserve(model.tensors.size());
  for (const auto& [name, tensor] : model.tensors) {
    size_t part = bytes.size() * writers.size() / model.tensors.size();
    bytes.push_back(bytesOfTensor(tensor));
    writers[part].tensor(name, tensor.type, tensor.shape, sourceOf(bytes.back()));
  }
  std::string stem = folder + "/model";
  for (int part = 0; part < parts; ++part) {
    auto written = writers[static_cast<size_t>(part)].write(parts == 1 ? stem + ".gguf"
                                                                       : fmt::format("{}-{:05}-of-{:05}.gguf", stem, part + 1, parts));
    INFO((written ? "" : written.error().message));
    REQUIRE(written);
  }
  return parts == 1 ? stem + ".gguf" : fmt::format("{}-00001-of-{:05}.gguf", stem, parts);
}

TestModel unstacked(const TestModel& model) {
  TestModel out = model;
  for (const auto& [name, tensor] : model.tensors) {
    bool gains = tensor.shape.size() == 2 && name.ends_with("_norm.weight");
    if ((tensor.shape.size() != 3 && !gains) || name.starts_with("hf:")) continue;
    out.tensors.erase(name);
    std::vector<int64_t> shape(tensor.shape.begin() + 1, tensor.shape.end());
    auto each = static_cast<std::ptrdiff_t>(*elementsOf(shape));
    for (int64_t i = 0; i < tensor.shape[0]; ++i) {
      auto begin = tensor.values.begin() + i * each;
      out.tensors[fmt::format("{}.{}.weight", name.substr(0, name.rfind('.')), i)] = {
          shape, std::vector<float>(begin, begin + each), TensorType::F32, {}};
    }
  }
  return out;
}

std::string writeHf(const TestModel& given, const std::string& folder, const HfOptions& options) {
  TestModel model = unstacked(asInFolders(given));
  REQUIRE(writeFileAtomically(folder + "/config.json", hfConfig(model, options)));
  std::vector<SafetensorsWriter> writers(static_cast<size_t>(options.shards));
  std::vector<std::vector<std::byte>> bytes;
  bytes.reserve(model.tensors.size());
  std::string map;
  for (const auto& [name, tensor] : model.tensors) {
    size_t shard = bytes.size() % writers.size();
    TestTensor stored = name.starts_with("hf:") ? tensor : hfTensor(model, name, tensor);
    std::string own = hfName(name, model.family, options.prefixed);
    map += fmt::format(R"({}"{}": "model-{:05}-of-{:05}.safetensors")", map.empty() ? "" : ", ", own, shard + 1, options.shards);
    bytes.push_back(bytesOfTensor(stored));
    writers[shard].tensor(own, stored.type, stored.shape, sourceOf(bytes.back()));
  }
  for (size_t i = 0; i < writers.size(); ++i)
    REQUIRE(writers[i].write(
        folder + (options.shards == 1 ? "/model.safetensors" : fmt::format("/model-{:05}-of-{:05}.safetensors", i + 1, options.shards))));
  if (options.shards > 1) REQUIRE(writeFileAtomically(folder + "/model.safetensors.index.json", "{\"weight_map\": {" + map + "}}"));
  return folder;
}

}  // namespace quern
