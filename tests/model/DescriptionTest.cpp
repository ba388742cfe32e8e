// tests/model/DescriptionTest.cpp — config.json as people have it: what real models say is read, and whatever else could change the
// result is refused by name.
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
