// tests/model/MixturesTest.cpp — config.json of mixtures of experts, and of layers of their own sizes, as people have them; and what of it
// is refused.
#include "models/arch/Architecture.h"
#include "tests/tokenizer/Vocabularies.h"

#include <catch2/catch.hpp>
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

std::string refusal(std::string_view architecture, const std::string& more) {
  auto config =
      read(architecture, R"({"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 61,
    "max_position_embeddings": 100)" +
                             more + "}");
  return config ? "" : config.error().message;
}

}  // namespace

TEST_CASE("config.json of mixtures in circulation", "[mixtures]") {
  // gpt-oss 20B.
  ModelConfig c = need(read("GptOssForCausalLM", R"({"architectures": ["GptOssForCausalLM"], "attention_bias": true,
    "attention_dropout": 0.0, "eos_token_id": 200002, "experts_per_token": 4, "head_dim": 64, "hidden_act": "silu", "hidden_size": 2880,
    "initial_context_length": 4096, "initializer_range": 0.02, "intermediate_size": 2880, "layer_types": ["sliding_attention",
    "full_attention", "sliding_attention", "full_attention"], "max_position_embeddings": 131072, "model_type": "gpt_oss",
    "num_attention_heads": 64, "num_experts_per_tok": 4, "num_hidden_layers": 4, "num_key_value_heads": 8, "num_local_experts": 32,
    "output_router_logits": false, "pad_token_id": 199999, "quantization_config": {"modules_to_not_convert": ["model.layers.*.self_attn",
    "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"], "quant_method": "mxfp4"}, "rms_norm_eps": 1e-05,
    "rope_scaling": {"beta_fast": 32.0, "beta_slow": 1.0, "factor": 32.0, "original_max_position_embeddings": 4096, "rope_type": "yarn",
    "truncate": false}, "rope_theta": 150000, "router_aux_loss_coef": 0.9, "sliding_window": 128, "swiglu_limit": 7.0,
    "tie_word_embeddings": false, "transformers_version": "4.55.0.dev0", "use_cache": true, "vocab_size": 201088})"));
  CHECK((c.experts == 32 && c.usedExperts == 4 && c.expertHidden == 2880 && c.normalisedExperts));
  CHECK((c.rope.scaling == RopeConfig::Scaling::Yarn && !c.rope.wholePairs && c.rope.base == 150000));
  CHECK((c.layer(0).window == 128 && c.layer(1).window == 0 && c.headDim() == 64));
  // Qwen 1.5 MoE A2.7B.
  c = need(read("Qwen2MoeForCausalLM", R"({"architectures": ["Qwen2MoeForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643,
    "eos_token_id": 151643, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 5632,
    "max_position_embeddings": 8192, "max_window_layers": 21, "model_type": "qwen2_moe", "num_attention_heads": 16,
    "num_hidden_layers": 24, "num_key_value_heads": 16, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": 32768,
    "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_cache": true, "use_sliding_window": false, "vocab_size": 151936,
    "decoder_sparse_step": 1, "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632, "num_experts_per_tok": 4,
    "num_experts": 60, "norm_topk_prob": false, "output_router_logits": false, "router_aux_loss_coef": 0.001})"));
  CHECK((c.experts == 60 && c.usedExperts == 4 && c.expertHidden == 1408 && c.sharedHidden == 5632 && !c.normalisedExperts));
  CHECK(c.layer(3).window == 0);
  // OLMoE 1B 7B.
  c = need(read("OlmoeForCausalLM", R"({"architectures": ["OlmoeForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
    "clip_qkv": null, "eos_token_id": 50279, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
    "intermediate_size": 1024, "max_position_embeddings": 4096, "model_type": "olmoe", "norm_topk_prob": false,
    "num_attention_heads": 16, "num_experts": 64, "num_experts_per_tok": 8, "num_hidden_layers": 16, "num_key_value_heads": 16,
    "output_router_logits": false, "pad_token_id": 1, "rope_scaling": null, "rope_theta": 10000.0, "router_aux_loss_coef": 0.01,
    "tie_word_embeddings": false, "torch_dtype": "bfloat16", "use_cache": true, "vocab_size": 50304})"));
  CHECK((c.experts == 64 && c.usedExperts == 8 && c.expertHidden == 1024 && !c.normalisedExperts && c.eps == 1e-5f));
  // Granite 3.0 1B A400M.
  c = need(read("GraniteMoeForCausalLM", R"({"architectures": ["GraniteMoeForCausalLM"], "attention_bias": false, "attention_dropout": 0.1,
    "attention_multiplier": 0.015625, "bos_token_id": 0, "embedding_multiplier": 12.0, "eos_token_id": 0, "hidden_act": "silu",
    "hidden_size": 1024, "initializer_range": 0.02, "intermediate_size": 512, "logits_scaling": 6.0, "max_position_embeddings": 4096,
    "model_type": "granitemoe", "num_attention_heads": 16, "num_experts_per_tok": 8, "num_hidden_layers": 24, "num_key_value_heads": 8,
    "num_local_experts": 32, "output_router_logits": false, "pad_token_id": 0, "residual_multiplier": 0.22, "rms_norm_eps": 1e-06,
    "rope_scaling": null, "rope_theta": 10000, "router_aux_loss_coef": 0.0, "tie_word_embeddings": true, "use_cache": true,
    "vocab_size": 49155})"));
  CHECK((c.experts == 32 && c.usedExperts == 8 && c.expertHidden == 512 && c.sharedHidden == 0 && c.normalisedExperts));
  CHECK((c.residualScale == 0.22 && c.attentionScale == 0.015625));
}

TEST_CASE("config.json of mixtures: what is not built is refused by name", "[mixtures]") {
  const std::string end = ", which nothing here heeds, so the result could be another; --ignore-key ";
  CHECK(refusal("OlmoeForCausalLM", R"(, "clip_qkv": 8.0)") == "config.json: 'clip_qkv' is 8" + end + "clip_qkv goes on without it");
  CHECK(refusal("Qwen2MoeForCausalLM", R"(, "mlp_only_layers": [0])") ==
        "config.json: 'mlp_only_layers' is an array" + end + "mlp_only_layers goes on without it");
  CHECK(refusal("Qwen2MoeForCausalLM", R"(, "decoder_sparse_step": 2)") == "config.json: 'decoder_sparse_step' is 2, 1 is needed");
  CHECK(refusal("Qwen2MoeForCausalLM", R"(, "num_experts": 4, "num_experts_per_tok": 5)") ==
        "config.json: 'num_experts_per_tok' is 5, whole numbers from 1 to 4 are legal");
  ModelConfig c = need(read("Qwen2MoeForCausalLM", R"({"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
    "num_attention_heads": 4, "vocab_size": 61, "max_position_embeddings": 100, "use_sliding_window": true, "sliding_window": 10,
    "max_window_layers": 3})"));
  CHECK((c.layer(0).window == 10 && c.layer(1).window == 0 && c.layer(2).window == 10 && c.layer(3).window == 0));
}

TEST_CASE("config.json with a block for each layer", "[mixtures]") {
  auto blocks = [](const std::string& all) { return R"(, "intermediate_size": null, "block_configs": )" + all; };
  auto said = [&](const std::string& all) {
    auto config = read("DeciLMForCausalLM", R"({"hidden_size": 8192, "num_hidden_layers": 2, "num_attention_heads": 64, "vocab_size": 61,
    "max_position_embeddings": 100, "num_key_value_heads": null)" +
                                                blocks(all) + "}");
    return config ? fmt::format("{} {} {} {} {}", config->heads, config->layer(0).kvHeads, config->layer(0).hidden,
                                config->layer(1).kvHeads, config->layer(1).heads)
                  : config.error().message;
  };
  const std::string whole = R"({"attention": {"n_heads_in_group": 8, "no_op": false, "num_sink_tokens": null, "replace_with_linear": false,
    "sparsify": null, "unshifted_sink": false, "window_length": null}, "ffn": {"ffn_mult": 5.25, "no_op": false, "sparsify": null}})";
  CHECK(said("[" + whole + R"(, {"attention": {"replace_with_linear": true}, "ffn": {"ffn_mult": 1.0}}])") == "64 8 28672 0 64");
  CHECK(said("[" + whole + "]") == "config.json: 'block_configs' is a list of 1, a list of 2, one of each layer, is needed");
  CHECK(said("[" + whole + ", {}]") == "config.json: 'block_configs.1.attention' is missing, an object is needed");
  CHECK(said("[" + whole + R"(, {"attention": {"n_heads_in_group": 5}, "ffn": {"ffn_mult": 1}}])") ==
        "config.json: block_configs.1.attention: 'n_heads_in_group' is 5, a divisor of 64 heads is needed");
  CHECK(said("[" + whole + R"(, {"attention": {"no_op": true}, "ffn": {"ffn_mult": -1}}])") ==
        "config.json: block_configs.1.ffn: 'ffn_mult' is -1, a number above 0, at most 1024 is needed");
  CHECK(said("[" + whole + R"(, {"attention": {"n_heads_in_group": 8, "window_length": 64}, "ffn": {"ffn_mult": 1}}])") ==
        "config.json: 'block_configs.1.attention.window_length' is 64, which nothing here heeds, so the result could be another; "
        "--ignore-key block_configs.1.attention.window_length goes on without it");
  CHECK(said("[" + whole + R"(, {"attention": {"no_op": true}, "ffn": {"ffn_mult": 1, "replace_with_linear": true}}])")
            .starts_with("config.json: 'block_configs.1.ffn.replace_with_linear' is true, which nothing here heeds"));
}

TEST_CASE("config.json of OpenELM", "[mixtures]") {
  auto said = [](const std::string& heads, const std::string& more) {
    auto config = read("OpenELMForCausalLM", R"({"activation_fn_name": "swish", "architectures": ["OpenELMForCausalLM"], "bos_token_id": 1,
    "eos_token_id": 2, "ffn_dim_divisor": 256, "ffn_multipliers": [0.5, 0.73, 4.0], "ffn_with_glu": true, "head_dim": 64,
    "initializer_range": 0.02, "max_context_length": 2048, "model_dim": 1280, "model_type": "openelm",
    "normalization_layer_name": "rms_norm", "normalize_qk_projections": true, "num_gqa_groups": 4, "num_kv_heads": [3, 3, 5],
    "num_query_heads": )" + heads + R"(, "num_transformer_layers": 3, "qkv_multipliers": [0.5, 1.0], "rope_freq_constant": 10000,
    "rope_max_length": 4096, "share_input_output_layers": true, "use_cache": true, "vocab_size": 32000)" +
                                                 more + "}");
    if (!config) return config.error().message;
    std::string all = fmt::format("{} {} {}:", config->heads, config->keyHeads(), config->hidden);
    for (int64_t i = 0; i < config->layers; ++i)
      all += fmt::format(" {}/{}/{}", config->layer(i).heads, config->layer(i).kvHeads, config->layer(i).hidden);
    return all;
  };
  CHECK(said("[12, 12, 20]", "") == "20 5 5120: 12/3/768 12/3/1024 20/5/5120");
  CHECK(said("[12, 12]", "") == "config.json: 'num_query_heads' is a list of 2, a list of 3, one of each layer, is needed");
  CHECK(said("12", "") == "config.json: 'num_query_heads' is an integer, a list of 3, one of each layer, is needed");
  CHECK(said("[12, -1, 12]", "") == "config.json: 'num_query_heads' is -1, a list of whole numbers above 0, at most 65536 is needed");
  CHECK(said("[12, 12, 20]", R"(, "rms_norm_eps": 1e-5, "window": 5)").find("'window' is 5, which nothing here heeds") !=
        std::string::npos);
}
