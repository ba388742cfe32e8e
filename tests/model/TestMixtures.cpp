// tests/model/TestMixtures.cpp — see FamilyParts.h: families whose feed-forward is a mixture of experts.
#include "tests/model/FamilyParts.h"

#include <cmath>

namespace quern {

void mixExperts(TestModel& model, uint32_t seed) {
  const ModelConfig& c = model.config;
  for (const char* stem : {"ffn_gate", "ffn_up", "ffn_down"}) remove(model, stem);
  std::mt19937 random(seed);
  auto drawn = [&](const std::string& name, std::vector<int64_t> shape, float spread) {
    model.tensors[name] = drawnTensor(random, std::move(shape), 0, double{spread});
  };
  auto spread = [](int64_t in) { return std::sqrt(3.0f / static_cast<float>(in)); };
  for (int64_t i = 0; i < c.layers; ++i) {
    drawn(blk(i, "ffn_gate_inp.weight"), {c.experts, c.width}, 2 * spread(c.width));
    for (int64_t k = 0; k < c.width; ++k) model.tensors[blk(i, "ffn_gate_inp.weight")].values[static_cast<size_t>(k)] *= 3;
    drawn(blk(i, "ffn_gate_exps.weight"), {c.experts, c.expertHidden, c.width}, 2 * spread(c.width));
    drawn(blk(i, "ffn_up_exps.weight"), {c.experts, c.expertHidden, c.width}, 2 * spread(c.width));
    drawn(blk(i, "ffn_down_exps.weight"), {c.experts, c.width, c.expertHidden}, 2 * spread(c.expertHidden));
    if (c.sharedHidden == 0) continue;
    drawn(blk(i, "ffn_gate_shexp.weight"), {c.sharedHidden, c.width}, 2 * spread(c.width));
    drawn(blk(i, "ffn_up_shexp.weight"), {c.sharedHidden, c.width}, 2 * spread(c.width));
    drawn(blk(i, "ffn_down_shexp.weight"), {c.width, c.sharedHidden}, 2 * spread(c.sharedHidden));
  }
}

namespace {

TestFamily mixtral() {
  ModelConfig c = baseConfig(RopePairs::Adjacent);
  c.headSize = 0;
  c.experts = 5;
  c.usedExperts = 2;
  c.expertHidden = c.hidden;
  TestFamily family{"mixtral",
                    base("llama", c, 322),
                    {.architecture = "MixtralForCausalLM", .more = R"(, "num_local_experts": 5, "num_experts_per_tok": 2)"},
                    {changed("second expert", [](ModelConfig& off) { off.usedExperts = 1; }),
                     changed("weights that sum to 1", [](ModelConfig& off) { off.normalisedExperts = false; })}};
  mixExperts(family.model, 323);
  return family;
}

TestFamily qwen3Moe() {
  ModelConfig c = baseConfig(RopePairs::Half);
  c.eps = 1e-6f;
  c.experts = 9;
  c.usedExperts = 4;
  c.expertHidden = 40;
  TestFamily family{"qwen3moe",
                    base("qwen3moe", c, 324),
                    {.architecture = "Qwen3MoeForCausalLM",
                     .more = R"(, "num_experts": 9, "num_experts_per_tok": 4, "moe_intermediate_size": 40, "norm_topk_prob": true)"},
                    {changed("fourth expert", [](ModelConfig& off) { off.usedExperts = 3; }),
                     changed("weights that sum to 1", [](ModelConfig& off) { off.normalisedExperts = false; })}};
  normHeads(family.model, c.headDim(), c.headDim(), 325);
  mixExperts(family.model, 326);
  return family;
}

TestFamily qwen2Moe() {
  ModelConfig c = baseConfig(RopePairs::Half);
  c.headSize = 0;
  c.eps = 1e-6f;
  c.experts = 7;
  c.usedExperts = 3;
  c.expertHidden = 32;
  c.sharedHidden = 80;
  c.normalisedExperts = false;
  TestFamily family{"qwen2moe",
                    base("qwen2moe", c, 350),
                    {.architecture = "Qwen2MoeForCausalLM",
                     .more = R"(, "num_experts": 7, "num_experts_per_tok": 3, "moe_intermediate_size": 32, )"
                             R"("shared_expert_intermediate_size": 80, "norm_topk_prob": false, "mlp_only_layers": [], )"
                             R"("use_sliding_window": false, "sliding_window": 20, "qkv_bias": true)"},
                    {changed("weights of all experts", [](ModelConfig& off) { off.normalisedExperts = true; }),
                     withoutTensors("the shared expert", {"ffn_up_shexp"}),
                     withoutTensors("its share", {"ffn_gate_inp_shexp"}),
                     {"biases of q, k, v", [](TestModel& off) { off.tensors.erase("blk.0.attn_q.bias"); }}}};
  mixExperts(family.model, 351);
  Drawn drawn(family.model, 352);
  for (int64_t i = 0; i < c.layers; ++i) {
    drawn.around(blk(i, "ffn_gate_inp_shexp.weight"), c.width, 0, 0.5F);
    for (const char* stem : {"attn_q", "attn_k", "attn_v"})
      drawn.bias(blk(i, stem) + ".bias", family.model.at(blk(i, stem) + ".weight").shape[0]);
  }
  return family;
}

TestFamily olmoe() {
  ModelConfig c = baseConfig(RopePairs::Half);
  c.headSize = 0;
  c.kvHeads = c.heads;
  c.experts = 8;
  c.usedExperts = 3;
  c.expertHidden = c.hidden = 64;
  c.normalisedExperts = false;
  TestFamily family{"olmoe",
                    base("olmoe", c, 353),
                    {.architecture = "OlmoeForCausalLM",
                     .more = R"(, "num_experts": 8, "num_experts_per_tok": 3, "norm_topk_prob": false, "clip_qkv": null)"},
                    {changed("weights of all experts", [](ModelConfig& off) { off.normalisedExperts = true; }),
                     withoutTensors("norm of q", {"attn_q_norm"}), withoutTensors("norm of k", {"attn_k_norm"})}};
  normHeads(family.model, c.heads * c.headDim(), c.keyHeads() * c.headDim(), 354);
  mixExperts(family.model, 355);
  return family;
}

TestFamily graniteMoe() {
  ModelConfig c = baseConfig(RopePairs::Adjacent);
  c.headSize = 0;
  c.embeddingScale = 12;
  c.residualScale = 0.25;
  c.attentionScale = 0.125;
  c.logitScale = 0.5;
  c.experts = 6;
  c.usedExperts = 2;
  c.expertHidden = c.hidden = 64;
  c.sharedHidden = 48;
  TestFamily family{
      "granitemoe",
      base("granitemoe", c, 356),
      {.architecture = "GraniteMoeSharedForCausalLM",
       .more = R"(, "embedding_multiplier": 12, "residual_multiplier": 0.25, "attention_multiplier": 0.125, "logits_scaling": 2, )"
               R"("num_local_experts": 6, "num_experts_per_tok": 2, "shared_intermediate_size": 48)"},
      {changed("scaled additions", [](ModelConfig& off) { off.residualScale = 1; }),
       changed("weights that sum to 1", [](ModelConfig& off) { off.normalisedExperts = false; }),
       withoutTensors("the shared expert", {"ffn_up_shexp"})}};
  mixExperts(family.model, 357);
  return family;
}

/// Without the expert that all rows go through.
TestFamily graniteMoeAlone() {
  TestFamily family = graniteMoe();
  family.name = "granitemoe-alone";
  for (const char* stem : {"ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp"}) remove(family.model, stem);
  family.model.config.sharedHidden = 0;
  family.hf.architecture = "GraniteMoeForCausalLM";
  std::string& more = family.hf.more;
  more.resize(more.find(R"(, "shared_intermediate_size")"));
  family.features.pop_back();
  return family;
}

TestFamily gptOss() {
  ModelConfig c = baseConfig(RopePairs::Half);
  c.experts = 6;
  c.usedExperts = 3;
  c.expertHidden = c.hidden = 64;
  c.rope.scaling = RopeConfig::Scaling::Yarn;
  c.rope.factor = 4;
  c.rope.originalContext = 40;
  c.rope.magnitude = 0.1 * std::log(4.0) + 1;
  setWindow(c, 20, [](int64_t i) { return i == 0; });
  TestFamily family{"gpt-oss",
                    base("gpt-oss", c, 340),
                    {.architecture = "GptOssForCausalLM",
                     .more = R"(, "num_local_experts": 6, "num_experts_per_tok": 3, "experts_per_token": 3, "sliding_window": 20, )"
                             R"("swiglu_limit": 7.0, "initial_context_length": 40, "rope_scaling": {"rope_type": "yarn", "factor": 4.0, )"
                             R"("beta_fast": 32.0, "beta_slow": 1.0, "original_max_position_embeddings": 40, "truncate": true})"},
                    {}};
  mixExperts(family.model, 341);
  remove(family.model, "ffn_norm");
  Drawn drawn(family.model, 342);
  for (int64_t i = 0; i < c.layers; ++i) {
    drawn.gain(blk(i, "post_attention_norm.weight"), c.width);
    drawn.around(blk(i, "attn_sinks.weight"), c.heads, 2, 2);
    drawn.bias(blk(i, "ffn_gate_inp.bias"), c.experts);
    for (const char* stem : {"attn_q", "attn_k", "attn_v", "attn_output"})
      drawn.bias(blk(i, stem) + ".bias", family.model.at(blk(i, stem) + ".weight").shape[0]);
    for (const char* stem : {"ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"}) {
      std::vector<int64_t> shape = family.model.at(blk(i, stem) + ".weight").shape;
      for (float& each : family.model.tensors[blk(i, stem) + ".weight"].values) each *= 2.5f;  // beyond the clamps
      drawn.around(blk(i, stem) + ".bias", shape[0] * shape[1], 0, 1);
      family.model.tensors[blk(i, stem) + ".bias"].shape = {shape[0], shape[1]};
    }
  }
  family.features = {withoutWindows(), withoutTensors("sinks", {"attn_sinks"}), withoutTensors("biases of experts", {"ffn_up_exps_b"})};
  family.features[2].off = [](TestModel& model) { model.tensors.erase("blk.1.ffn_up_exps.bias"); };
  return family;
}

}  // namespace

std::vector<TestFamily> mixtureFamilies() {
  return {mixtral(), qwen3Moe(), qwen2Moe(), olmoe(), graniteMoe(), graniteMoeAlone(), gptOss()};
}

}  // namespace quern
