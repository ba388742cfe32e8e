// tests/model/DescriptionTest.cpp — config.json as people have it: what real models say is read, and whatever else could change the
// result is refused by name.
#include "models/arch/Architecture.h"
#include "tests/tokenizer/Vocabularies.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <fmt/format.h>

using namespace quern;

namespace {

/// What the architecture makes of a config.json.
Result<ModelConfig> read(std::string_view architecture, const std::string& text) {
  JsonValue root = need(parseJson({text, "config.json"}));
  for (const Architecture& each : architectures())
    for (const HfName& known : each.hfNames)
      if (known.name == architecture) return each.readHf(JsonFields("config.json", root), root, known);
  return badInput("unknown");
}

/// What the architecture makes of a GGUF file's keys, `more` beside the sizes.
Result<ModelConfig> readGguf(const std::string& arch, const std::vector<std::pair<std::string, MetadataValue>>& more) {
  Metadata metadata("model.gguf");
  for (const auto& [key, value] : more) metadata.add(arch + "." + key, value);
  for (auto [key, value] : {std::pair("context_length", 8192),
                            {"embedding_length", 64},
                            {"feed_forward_length", 96},
                            {"block_count", 6},
                            {"attention.head_count", 4},
                            {"vocab_size", 61}})
    metadata.add(arch + "." + key, static_cast<uint64_t>(value));
  metadata.add(arch + (arch == "stablelm" ? ".attention.layer_norm_epsilon" : ".attention.layer_norm_rms_epsilon"), 1e-5);
  return findArchitecture(arch)->readGguf(metadata, arch);
}

/// Which layers have a window, a 1 for each.
std::string windowed(const ModelConfig& config) {
  std::string layers;
  for (int64_t i = 0; i < config.layers; ++i) layers += config.layer(i).window != 0 ? '1' : '0';
  return layers;
}

/// A Llama of few keys and `more`, each with a comma in front.
std::string llama(const std::string& more) {
  return R"({"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 61)" + more + "}";
}
const std::string kContext = R"(, "max_position_embeddings": 8192)";

std::string refusal(const std::string& more) {
  auto config = read("LlamaForCausalLM", llama(kContext + more));
  return config ? "" : config.error().message;
}

}  // namespace

TEST_CASE("config.json of models in circulation", "[model]") {
  // Llama 3.2 1B.
  ModelConfig c =
      need(read("LlamaForCausalLM", R"({"architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
    "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009], "head_dim": 64, "hidden_act": "silu", "hidden_size": 2048,
    "initializer_range": 0.02, "intermediate_size": 8192, "max_position_embeddings": 131072, "mlp_bias": false, "model_type": "llama",
    "num_attention_heads": 32, "num_hidden_layers": 16, "num_key_value_heads": 8, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
    "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192,
    "rope_type": "llama3"}, "rope_theta": 500000.0, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
    "transformers_version": "4.45.0.dev0", "use_cache": true, "vocab_size": 128256, "unsloth_fixed": true, "_commit_hash": "4e20"})"));
  CHECK(c.rope.scaling == RopeConfig::Scaling::Llama3);
  CHECK((c.rope.factor == 32 && c.rope.base == 500000 && c.tied && c.context == 131072));
  // SmolLM2, as newer programs write it.
  c = need(read("LlamaForCausalLM", llama(kContext + R"(, "is_llama_config": true, "rope_interleaved": false, "dtype": "float32",
    "rope_parameters": {"rope_theta": 100000, "rope_type": "default"}, "transformers.js_config": {"dtype": "q4"}, "pad_token_id": 2)")));
  CHECK(c.rope.base == 100000);
  // StarCoder2 3B, with what its code had before it was one of the program's.
  const std::string star = R"({"activation_function": "gelu", "architectures": ["Starcoder2ForCausalLM"], "attention_dropout": 0.1,
    "attention_softmax_in_fp32": true, "bos_token_id": 0, "embedding_dropout": 0.1, "eos_token_id": 0, "hidden_act": "gelu_pytorch_tanh",
    "hidden_size": 3072, "initializer_range": 0.018042, "intermediate_size": 12288, "layer_norm_epsilon": 1e-05,
    "max_position_embeddings": 16384, "mlp_type": "default", "model_type": "starcoder2", "norm_epsilon": 1e-05, "num_attention_heads": 24,
    "num_hidden_layers": 30, "num_key_value_heads": 2, "residual_dropout": 0.1, "rope_theta": 999999.4420358813,
    "scale_attention_softmax_in_fp32": true, "sliding_window": 4096, "torch_dtype": "bfloat16", "transformers_version": "4.37.0.dev0",
    "use_bias": true, "use_cache": true, "vocab_size": 49152, "scale_attn_weights": )";
  c = need(read("Starcoder2ForCausalLM", star + "true}"));
  CHECK((c.layer(0).window == 4096 && c.keyHeads() == 2));
  CHECK(!read("Starcoder2ForCausalLM", star + "false}"));
  // The first Llama folders.
  c = need(read("LLaMAForCausalLM", llama(R"(, "bos_token_id": 0, "eos_token_id": 1, "hidden_act": "silu", "max_sequence_length": 2048,
    "model_type": "llama", "pad_token_id": -1, "rms_norm_eps": 1e-06, "use_cache": true)")));
  CHECK(c.context == 2048);
  // Qwen 2.5, whose window is off; and with the layers spelled out.
  c = need(read("Qwen2ForCausalLM", llama(R"(, "max_position_embeddings": 131072, "max_window_layers": 48, "sliding_window": 4096,
    "use_sliding_window": false, "use_mrope": false, "layer_types": ["full_attention", "full_attention"])")));
  CHECK(c.context == 131072);
  // Mistral: its window stands, is none, or is the one that nothing says. A window cuts no context.
  auto windowOf = [&](const char* architecture, const char* more) {
    ModelConfig read0 = need(read(architecture, llama(std::string(R"(, "max_position_embeddings": 32768)") + more)));
    CHECK(read0.context == 32768);
    return std::pair(read0.layer(0).window, read0.layer(1).window);
  };
  using Windows = std::pair<int64_t, int64_t>;
  CHECK(windowOf("MistralForCausalLM", R"(, "sliding_window": 2048)") == Windows(2048, 2048));
  CHECK(windowOf("MistralForCausalLM", R"(, "sliding_window": null)") == Windows(0, 0));
  CHECK(windowOf("MistralForCausalLM", "") == Windows(4096, 4096));
  CHECK(windowOf("Qwen2ForCausalLM", R"(, "sliding_window": 2048, "layer_types": ["full_attention", "sliding_attention"])") ==
        Windows(0, 2048));
  // Falcon 3 names its activation twice.
  CHECK(refusal(R"(, "activation": "swiglu", "hidden_act": "silu", "num_local_experts": 0, "logits_scaling": 1.0)").empty());
  // GPT-2, and by the names that others use.
  c = need(read("GPT2LMHeadModel", R"({"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1,
    "bos_token_id": 50256, "embd_pdrop": 0.1, "eos_token_id": 50256, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05,
    "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_inner": null, "n_layer": 12, "n_positions": 1024,
    "resid_pdrop": 0.1, "reorder_and_upcast_attn": true, "summary_activation": null, "summary_first_dropout": 0.1,
    "summary_proj_to_labels": true, "summary_type": "cls_index", "summary_use_proj": true,
    "task_specific_params": {"text-generation": {"do_sample": true, "max_length": 50}}, "vocab_size": 50257})"));
  CHECK((c.context == 1024 && c.hidden == 3072 && c.tied));
  c = need(read("GPT2LMHeadModel", R"({"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64, "max_position_embeddings": 32,
    "vocab_size": 61})"));
  CHECK((c.layers == 2 && c.width == 64 && c.context == 32));
  auto two =
      read("GPT2LMHeadModel", R"({"n_layer": 3, "num_hidden_layers": 2, "n_head": 4, "n_embd": 64, "n_positions": 8, "vocab_size": 9})");
  CHECK(two.error().message == "config.json: 'num_hidden_layers' is 2, 3, as 'n_layer' says, is needed");
}

TEST_CASE("which layers have a window is read as each family's files say it", "[model]") {
  const std::string six = R"({"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 6, "num_attention_heads": 4,
    "vocab_size": 61, "max_position_embeddings": 8192)";
  CHECK(windowed(need(read("Gemma2ForCausalLM", six + "}"))) == "101010");
  ModelConfig c = need(read("Gemma3ForCausalLM", six + R"(, "sliding_window": 512, "rope_theta": 1e6,
    "rope_scaling": {"rope_type": "linear", "factor": 8}})"));
  CHECK(windowed(c) == "111110");
  CHECK((c.layer(0).window == 512 && c.layer(0).local && !c.layer(5).local));
  CHECK((c.rope.base == 1e6 && c.rope.factor == 8 && c.localRope.base == 10000));
  CHECK(c.localRope.scaling == RopeConfig::Scaling::None);
  CHECK(windowed(need(read("Gemma3ForCausalLM", six + R"(, "sliding_window_pattern": 3})"))) == "110110");
  CHECK(windowed(need(read("Gemma3ForCausalLM", six + R"(, "layer_types": ["full_attention", "sliding_attention", "full_attention",
    "full_attention", "sliding_attention", "full_attention"]})"))) == "010010");
  CHECK(!read("Gemma3ForCausalLM", six + R"(, "layer_types": ["full_attention"]})"));
  // Mixtral's window stands where it is named only; Qwen's from a layer on, where it is switched on.
  const std::string mixtral = six + R"(, "num_local_experts": 4, "num_experts_per_tok": 2)";
  CHECK(windowed(need(read("MixtralForCausalLM", mixtral + "}"))) == "000000");
  CHECK(windowed(need(read("MixtralForCausalLM", mixtral + R"(, "sliding_window": 64})"))) == "111111");
  CHECK(windowed(need(read("Qwen2ForCausalLM", six + R"(, "use_sliding_window": true, "sliding_window": 64, "max_window_layers": 4})"))) ==
        "000011");
  // GGUF: a number, an array of flags, or what the family is known for.
  CHECK(windowed(need(readGguf("gemma3", {{"attention.sliding_window", uint64_t{64}}}))) == "111110");
  CHECK(windowed(need(readGguf(
            "gemma3", {{"attention.sliding_window", uint64_t{64}}, {"attention.sliding_window_pattern", uint64_t{2}}}))) == "101010");
  using namespace std::string_view_literals;
  auto flags = [](std::string_view bytes) { return MetadataNumbers{MetadataNumbers::Kind::Bool, 1, bytes}; };
  CHECK(windowed(need(readGguf("gemma3", {{"attention.sliding_window", uint64_t{64}},
                                          {"attention.sliding_window_pattern", flags("\0\1\1\0\0\1"sv)}}))) == "011001");
  auto few = readGguf("gemma3", {{"attention.sliding_window", uint64_t{64}}, {"attention.sliding_window_pattern", flags("\0\1"sv)}});
  REQUIRE(!few);
  CHECK(few.error().message == "model.gguf: 'gemma3.attention.sliding_window_pattern' is an array of 2, one of 6, the layers, is needed");
  // The largest Gemma 2 is told by its layers; a file that says them and no heads is an error like any other.
  Metadata large("model.gguf");
  large.add("gemma2.block_count", uint64_t{46});
  CHECK(!findArchitecture("gemma2")->readGguf(large, "gemma2"));
}

TEST_CASE("rope_parameters by kind of layer", "[model]") {
  auto described = [](const char* architecture, const std::string& kinds) {
    return read(architecture, R"({"hidden_size": 256, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
      "head_dim": 64, "vocab_size": 61, "max_position_embeddings": 2048, "layer_types": ["sliding_attention", "full_attention"],
      "sliding_window": 16, "rope_parameters": {)" +
                                  kinds + "}}");
  };
  const std::string full = R"("full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0})",
                    sliding = R"("sliding_attention": {"rope_type": "default", "rope_theta": 500.0})";
  ModelConfig c = need(described("Gemma3ForCausalLM", full + ", " + sliding));
  CHECK((c.rope.base == 1000000 && c.rope.factor == 8 && c.rope.scaling == RopeConfig::Scaling::Linear));
  CHECK((c.localRope.base == 500 && c.localRope.scaling == RopeConfig::Scaling::None));
  CHECK((c.layer(0).local && !c.layer(1).local));
  auto refused = [&](const char* architecture, const std::string& kinds) { return described(architecture, kinds).error().message; };
  CHECK(refused("Gemma3ForCausalLM", full).find("'rope_parameters.sliding_attention' is missing") != std::string::npos);
  CHECK(refused("Gemma3ForCausalLM", full + ", " + sliding + R"(, "chunked_attention": {"rope_theta": 2})")
            .find("'rope_parameters.chunked_attention' is an object, which nothing here heeds") != std::string::npos);
  CHECK(refused("Gemma3ForCausalLM", full + R"(, "sliding_attention": {"rope_type": "odd"})").find("'rope_type' is odd") !=
        std::string::npos);
  CHECK(refused("Gemma3ForCausalLM", full + R"(, "sliding_attention": {"rope_type": "default", "rope_theta": 0})")
            .find("'rope_parameters.sliding_attention.rope_theta' is 0, a number above 0 is needed") != std::string::npos);
  const std::string kLong = R"({"rope_type": "longrope", "short_factor": [1.0], "long_factor": [1.0]})";
  CHECK(refused("Gemma3ForCausalLM", full + R"(, "sliding_attention": )" + kLong).find("is a list of 1, a list of 32,") !=
        std::string::npos);
  for (const char* arch : {"gemma3", "olmo2"}) CHECK(!readGguf(arch, {{"rope.freq_base_swa", 0.0}}));
  // Whoever turns all layers alike has no use for it.
  CHECK(refused("Qwen3ForCausalLM", full + ", " + sliding).find("nothing here heeds") != std::string::npos);
}

TEST_CASE("how much of a head is turned is read by each of its names", "[model]") {
  auto turned = [](const char* architecture, const std::string& more) {
    auto config = read(architecture, R"({"hidden_size": 256, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
      "vocab_size": 61, "max_position_embeddings": 2048)" +
                                         more + "}");
    return config ? config->turnedDim() : -1;
  };
  for (const char* architecture : {"StableLmForCausalLM", "GPTNeoXForCausalLM"}) {
    CHECK(turned(architecture, "") == 16);
    CHECK(turned(architecture, R"(, "rope_parameters": {"rope_type": "default", "rope_theta": 10000})") == 16);
    CHECK(turned(architecture, R"(, "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5})") == 32);
    CHECK(turned(architecture, R"(, "partial_rotary_factor": 0.75)") == 48);
    CHECK(turned(architecture, R"(, "partial_rotary_factor": 1.0)") == 64);
    for (auto [other, right] : {std::pair("0.5", 32), {"1.0", -1}, {"0.25", -1}})  // two places that disagree
      CHECK(turned(architecture,
                   fmt::format(R"(, "partial_rotary_factor": 0.5, "rope_scaling": {{"partial_rotary_factor": {}}})", other)) == right);
    for (const char* wrong : {"-0.5", "1.5", "0.001", "\"half\""}) {
      INFO(wrong);
      CHECK(turned(architecture, fmt::format(R"(, "partial_rotary_factor": {})", wrong)) == -1);
      CHECK(turned(architecture, fmt::format(R"(, "rope_parameters": {{"partial_rotary_factor": {}}})", wrong)) == -1);
    }
  }
  CHECK(turned("GPTNeoXForCausalLM", R"(, "rotary_pct": 0.5)") == 32);
  CHECK(turned("LlamaForCausalLM", R"(, "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5})") == -1);
  CHECK(need(readGguf("stablelm", {{"rope.dimension_count", uint64_t{8}}})).turnedDim() == 8);
  CHECK(!readGguf("stablelm", {{"rope.dimension_count", uint64_t{18}}}));
  // SmolLM3: no positions in each fourth layer, or as the interval or the list says it.
  auto whole = [](const std::string& more) {
    ModelConfig config = need(read("SmolLM3ForCausalLM", R"({"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
      "num_attention_heads": 4, "vocab_size": 61, "max_position_embeddings": 2048)" +
                                                             more + "}"));
    std::string layers;
    for (const LayerConfig& layer : config.perLayer) layers += layer.turned ? '1' : '0';
    return layers;
  };
  CHECK(whole("") == "1110");
  CHECK(whole(R"(, "no_rope_layer_interval": 2)") == "1010");
  CHECK(whole(R"(, "no_rope_layers": [0, 1, 1, 0])") == "0110");
}

TEST_CASE("what stretches a context is read by each of its keys", "[model]") {
  auto scaled = [](const std::string& scaling) {
    return read("LlamaForCausalLM", llama(R"(, "max_position_embeddings": 32768, "rope_scaling": {)" + scaling + "}"));
  };
  const std::string yarn = R"("rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8192)";
  auto magnitude = [&](const std::string& more) { return need(scaled(yarn + more)).rope.magnitude; };
  double usual = 0.1 * std::log(4.0) + 1;
  CHECK(magnitude("") == Approx(usual));
  CHECK(magnitude(R"(, "attention_factor": 1.25)") == Approx(1.25));
  CHECK(magnitude(R"(, "mscale": 1.0, "mscale_all_dim": 1.0)") == Approx(1));
  CHECK(magnitude(R"(, "mscale": 0.5, "mscale_all_dim": 1.0)") == Approx((0.05 * std::log(4.0) + 1) / usual));
  CHECK((need(scaled(yarn)).rope.wholePairs && need(scaled(yarn)).rope.originalContext == 8192));
  CHECK(!need(scaled(yarn + R"(, "truncate": false)")).rope.wholePairs);
  CHECK(!scaled(yarn + R"(, "beta_fast": 1.0, "beta_slow": 2.0)"));
  std::string factors = "[1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5]";  // a head of 16
  for (const char* name : {"su", "longrope"}) {
    INFO(name);
    auto of = [&](const std::string& shorter, const std::string& more) {
      return scaled(fmt::format(R"("type": "{}", "short_factor": {}, "long_factor": {}, "original_max_position_embeddings": 4096{})", name,
                                shorter, factors, more));
    };
    RopeConfig rope = need(of(factors, "")).rope;
    CHECK(rope.scaling == RopeConfig::Scaling::Long);
    CHECK((rope.longFactors.size() == 8 && rope.longFactors[7] == 4.5f));
    CHECK(rope.magnitude == Approx(std::sqrt(1 + std::log(8.0) / std::log(4096.0))));
    CHECK(need(of(factors, R"(, "long_mscale": 1.5)")).rope.magnitude == Approx(1.5));
    CHECK(!of("[1.0, 2.0]", ""));
    CHECK(!of("[0, 1, 1, 1, 1, 1, 1, 1]", ""));
  }
  CHECK(!scaled(R"("rope_type": "longrope", "factor": 4.0)"));
  CHECK(!scaled(R"("rope_type": "never", "factor": 4.0)"));
}

TEST_CASE("keys that could change the result are refused by name, unless they say off", "[model]") {
  CHECK(refusal(R"(, "final_logit_softcapping": 30.0)") ==
        "config.json: 'final_logit_softcapping' is 30, which nothing here heeds, so the result could be another; --ignore-key "
        "final_logit_softcapping goes on without it");
  for (const char* key :
       {"attn_logit_softcapping", "embedding_multiplier", "residual_multiplier", "attention_multiplier", "logits_scaling", "logit_scale",
        "partial_rotary_factor", "rope_ratio", "scale_emb", "alibi_bias_max", "clip_qkv", "never_heard_of"}) {
    INFO(key);
    CHECK(refusal(fmt::format(R"(, "{}": 0.5)", key)).find(key) != std::string::npos);
    CHECK(refusal(fmt::format(R"(, "{}": null)", key)).empty());
    CHECK(refusal(fmt::format(R"(, "{}": 0.0)", key)).empty());
  }
  for (const char* key : {"embedding_multiplier", "residual_multiplier", "logits_scaling", "partial_rotary_factor", "rope_ratio"})
    CHECK(refusal(fmt::format(R"(, "{}": 1.0)", key)).empty());
  CHECK(refusal(R"(, "attention_multiplier": 1.0)") != "");  // not a factor: one over the root of the head's size is neutral
  for (const char* switchedOn : {"use_qk_norm", "rope_interleaved", "use_mrope", "parallel_residual", "add_cross_attention"}) {
    CHECK(refusal(fmt::format(R"(, "{}": true)", switchedOn)) != "");
    CHECK(refusal(fmt::format(R"(, "{}": false)", switchedOn)).empty());
  }
  CHECK(refusal(R"(, "is_causal": false)") != "");
  CHECK(refusal(R"(, "is_causal": true)").empty());
  CHECK(refusal(R"(, "vision_config": {"depth": 2})") != "");
  CHECK(refusal(R"(, "no_rope_layers": [0, 1])") != "");
  CHECK(refusal(R"(, "pruned_heads": {}, "bad_words_ids": null, "norm_type": "")").empty());
}
