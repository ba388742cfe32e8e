// tests/model/TestFamilies.cpp — see TestFamilies.h.
#include "tests/model/FamilyParts.h"

#include <cmath>

namespace quern {

namespace {

TestFamily qwen3() {
  ModelConfig c = baseConfig(RopePairs::Half);
  c.eps = 1e-6f;
  c.tied = true;
  TestFamily family{"qwen3", base("qwen3", c, 301), {.architecture = "Qwen3ForCausalLM"}, {}};
  normHeads(family.model, c.headDim(), c.headDim(), 302);
  family.features = {withoutTensors("norm of q", {"attn_q_norm"}), withoutTensors("norm of k", {"attn_k_norm"})};
  return family;
}

TestFamily mistral() {
  ModelConfig c = baseConfig(RopePairs::Adjacent);
  setWindow(c, 20, [](int64_t) { return true; });
  return {
      "mistral", base("llama", c, 303), {.architecture = "MistralForCausalLM", .more = R"(, "sliding_window": 20)"}, {withoutWindows()}};
}

TestFamily gemma() {
  ModelConfig c = baseConfig(RopePairs::Half);
  c.tied = true;
  c.gelu = "tanh";
  c.embeddingScale = std::sqrt(static_cast<float>(c.width));
  return {"gemma",
          base("gemma", c, 304),
          {.architecture = "GemmaForCausalLM", .more = R"(, "hidden_act": "gelu")"},
          {changed("scaled embeddings", [](ModelConfig& off) { off.embeddingScale = 1; })}};
}

TestFamily gemma2() {
  ModelConfig c = baseConfig(RopePairs::Half);
  c.tied = true;
  c.gelu = "tanh";
  c.embeddingScale = std::sqrt(static_cast<float>(c.width));
  c.attentionScale = 1 / std::sqrt(32.0);
  c.scoreCap = 2;
  c.logitCap = 1.5;
  setWindow(c, 20, [](int64_t i) { return i == 0; });
  TestFamily family{"gemma2",
                    base("gemma2", c, 305),
                    {.architecture = "Gemma2ForCausalLM",
                     .more = R"(, "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 32, "attn_logit_softcapping": 2.0, )"
                             R"("final_logit_softcapping": 1.5, "sliding_window": 20)"},
                    {}};
  normWhatIsAdded(family.model, 306);
  family.features = {withoutWindows(), changed("cap of scores", [](ModelConfig& off) { off.scoreCap = 0; }),
                     changed("cap of logits", [](ModelConfig& off) { off.logitCap = 0; }),
                     withoutTensors("norms of what is added", {"post_attention_norm", "post_ffw_norm"})};
  return family;
}

TestFamily gemma3() {
  ModelConfig c = baseConfig(RopePairs::Half, 3);
  c.tied = true;
  c.gelu = "tanh";
  c.embeddingScale = std::sqrt(static_cast<float>(c.width));
  c.attentionScale = 1 / std::sqrt(32.0);
  setWindow(c, 20, [](int64_t i) { return i < 2; });
  c.localRope = c.rope;
  c.localRope.base = 50;
  c.rope.scaling = RopeConfig::Scaling::Linear;
  c.rope.factor = 4;
  for (LayerConfig& layer : c.perLayer) layer.local = layer.window != 0;
  TestFamily family{
      "gemma3",
      base("gemma3", c, 307),
      {.architecture = "Gemma3ForCausalLM",
       .more = R"(, "query_pre_attn_scalar": 32, "sliding_window": 20, "sliding_window_pattern": 3, "rope_local_base_freq": 50.0, )"
               R"("rope_scaling": {"rope_type": "linear", "factor": 4.0})"},
      {}};
  normWhatIsAdded(family.model, 308);
  normHeads(family.model, c.headDim(), c.headDim(), 309);
  family.features = {withoutWindows(), withoutTensors("norms of heads", {"attn_q_norm", "attn_k_norm"}),
                     changed("a base of its own", [](ModelConfig& off) { off.localRope.base = off.rope.base; }),
                     changed("local angles unscaled", [](ModelConfig& off) { off.localRope = off.rope, off.localRope.base = 50; })};
  return family;
}

TestFamily olmo3() {
  ModelConfig c = baseConfig(RopePairs::Half, 4);
  c.headSize = 0;
  setWindow(c, 20, [](int64_t i) { return i < 3; });
  c.localRope = c.rope;
  for (LayerConfig& layer : c.perLayer) layer.local = layer.window != 0;
  c.rope.scaling = RopeConfig::Scaling::Yarn;
  c.rope.factor = 4;
  c.rope.originalContext = 40;
  c.rope.magnitude = 0.1 * std::log(4.0) + 1;
  TestFamily family{"olmo2",
                    base("olmo2", c, 310),
                    {.architecture = "Olmo3ForCausalLM",
                     .more = R"(, "sliding_window": 20, "rope_scaling": {"rope_type": "yarn", "factor": 4.0, )"
                             R"("original_max_position_embeddings": 40})"},
                    {}};
  for (const char* stem : {"attn_norm", "ffn_norm"}) remove(family.model, stem);
  normWhatIsAdded(family.model, 311);
  normHeads(family.model, c.heads * c.headDim(), c.keyHeads() * c.headDim(), 312);
  family.features = {withoutWindows(), withoutTensors("norms of q and k", {"attn_q_norm", "attn_k_norm"}),
                     changed("yarn", [](ModelConfig& off) { off.rope = off.localRope; }),
                     changed("yarn's magnitude", [](ModelConfig& off) { off.rope.magnitude = 1; })};
  return family;
}

TestFamily smolLm3() {
  ModelConfig c = baseConfig(RopePairs::Adjacent, 4);
  c.headSize = 0;
  c.tied = true;
  c.perLayer.resize(4);
  c.perLayer[3].turned = false;
  return {"smollm3",
          base("smollm3", c, 313),
          {.architecture = "SmolLM3ForCausalLM", .more = R"(, "no_rope_layers": [1, 1, 1, 0])"},
          {changed("a layer without positions", [](ModelConfig& off) { off.perLayer.clear(); })}};
}

TestFamily granite() {
  ModelConfig c = baseConfig(RopePairs::Adjacent);
  c.headSize = 0;
  c.embeddingScale = 12;
  c.residualScale = 0.25;
  c.attentionScale = 0.125;
  c.logitScale = 0.5;
  auto one = [](const char* name, double ModelConfig::* what, double off) {
    return changed(name, [what, off](ModelConfig& config) { config.*what = off; });
  };
  return {"granite",
          base("granite", c, 314),
          {.architecture = "GraniteForCausalLM",
           .more = R"(, "embedding_multiplier": 12, "residual_multiplier": 0.25, "attention_multiplier": 0.125, "logits_scaling": 2)"},
          {one("scaled embeddings", &ModelConfig::embeddingScale, 1), one("scaled additions", &ModelConfig::residualScale, 1),
           one("scaled scores", &ModelConfig::attentionScale, 0), one("scaled logits", &ModelConfig::logitScale, 1)}};
}

TestFamily phi3() {
  ModelConfig c = baseConfig(RopePairs::Half);
  c.headSize = 0;
  c.turned = 12;  // three quarters
  c.rope.scaling = RopeConfig::Scaling::Long;
  c.rope.originalContext = 40;
  c.rope.magnitude = std::sqrt(1 + std::log(160.0 / 40) / std::log(40.0));
  c.rope.shortFactors = {1, 1, 1.25, 1.5, 1.5, 2};
  c.rope.longFactors = {1, 1.5, 2, 4, 6, 8};
  setWindow(c, 20, [](int64_t) { return true; });
  TestFamily family{"phi3",
                    base("phi3", c, 315),
                    {.architecture = "Phi3ForCausalLM",
                     .more = R"(, "sliding_window": 20, "partial_rotary_factor": 0.75, "original_max_position_embeddings": 40, )"
                             R"("rope_scaling": {"type": "longrope", "short_factor": [1, 1, 1.25, 1.5, 1.5, 2], )"
                             R"("long_factor": [1, 1.5, 2, 4, 6, 8]})"},
                    {}};
  fuse(family.model, "attn_qkv", {"attn_q", "attn_k", "attn_v"});
  fuse(family.model, "ffn_up", {"ffn_gate", "ffn_up"});
  family.features = {withoutWindows(), wholeHeadsTurned(),
                     changed("long factors", [](ModelConfig& off) { off.rope.longFactors = off.rope.shortFactors; }),
                     changed("their magnitude", [](ModelConfig& off) { off.rope.magnitude = 1; })};
  family.features[1].off = [](TestModel& model) {  // factors are of six pairs
    model.config.turned = 0;
    model.config.rope.longFactors.resize(8, 8);
  };
  return family;
}

TestFamily starCoder2() {
  ModelConfig c = baseConfig(RopePairs::Half);
  c.headSize = 0;
  c.gelu = "tanh";
  c.tied = true;
  setWindow(c, 20, [](int64_t) { return true; });
  TestFamily family{"starcoder2",
                    base("starcoder2", c, 316),
                    {.architecture = "Starcoder2ForCausalLM", .more = R"(, "norm_epsilon": 1e-5, "sliding_window": 20, "use_bias": true)"},
                    {}};
  remove(family.model, "ffn_gate");
  biasAll(family.model, {"attn_norm", "ffn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"}, 317);
  family.features = {withoutWindows()};
  return family;
}

TestFamily stableLm() {
  ModelConfig c = baseConfig(RopePairs::Half);
  c.headSize = 0;
  c.turned = 4;
  c.parallel = true;
  TestFamily family{
      "stablelm",
      base("stablelm", c, 318),
      {.architecture = "StableLmForCausalLM",
       .more = R"(, "layer_norm_eps": 1e-5, "partial_rotary_factor": 0.25, "use_parallel_residual": true, "use_qkv_bias": true)"},
      {}};
  remove(family.model, "ffn_norm");
  biasAll(family.model, {"attn_norm", "attn_q", "attn_k", "attn_v"}, 319);
  family.features = {wholeHeadsTurned(), changed("one input of both", [](ModelConfig& off) { off.parallel = false; })};
  return family;
}

/// As its 12B has it.
TestFamily stableLm12B() {
  TestFamily family = stableLm();
  family.name = "stablelm-12b";
  family.hf.more += R"(, "qk_layernorm": true)";
  const ModelConfig& c = family.model.config;
  family.model.config.headNorms = true;
  Drawn drawn(family.model, 327);
  for (int64_t i = 0; i < c.layers; ++i)
    for (auto [name, heads] : {std::pair{"attn_q_norm.weight", c.heads}, {"attn_k_norm.weight", c.keyHeads()}}) {
      drawn.gain(blk(i, name), heads * c.headDim());
      family.model.tensors[blk(i, name)].shape = {heads, c.headDim()};
    }
  family.features = {withoutTensors("norms of q", {"attn_q_norm"}), withoutTensors("norms of k", {"attn_k_norm"})};
  return family;
}

TestFamily gptNeoX() {
  ModelConfig c = baseConfig(RopePairs::Half);
  c.headSize = 0;
  c.kvHeads = 0;
  c.turned = 4;
  c.gelu = "erf";
  c.parallel = true;
  TestFamily family{"gptneox",
                    base("gptneox", c, 320),
                    {.architecture = "GPTNeoXForCausalLM",
                     .more = R"(, "layer_norm_eps": 1e-5, "rotary_pct": 0.25, "rotary_emb_base": 500, "hidden_act": "gelu")"},
                    {}};
  remove(family.model, "ffn_gate");
  for (int64_t i = 0; i < c.layers; ++i)  // both forms of gelu are within 5e-4
    for (float& each : family.model.tensors[blk(i, "ffn_down.weight")].values) each *= 8;
  biasAll(family.model, {"attn_norm", "ffn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"}, 321);
  fuse(family.model, "attn_qkv", {"attn_q", "attn_k", "attn_v"});
  family.features = {wholeHeadsTurned(), changed("one input of both", [](ModelConfig& off) { off.parallel = false; }),
                     changed("gelu by erf", [](ModelConfig& off) { off.gelu = "tanh"; })};
  return family;
}

/// Layers of their own sizes: whole ones, one with Wo in place of attention, one without attention, one that does nothing.
TestFamily deci() {
  ModelConfig c = baseConfig(RopePairs::Adjacent, 5);
  c.headSize = 16;
  c.kvHeads = 2;
  c.hidden = 768;
  c.perLayer.resize(5);
  // Feed-forwards of a folder are two thirds of a multiple of the width, up to one of 256.
  constexpr int64_t kSizes[5][3] = {{4, 2, 256}, {4, 0, 512}, {0, 0, 256}, {0, 0, 0}, {4, 1, 768}};
  for (size_t i = 0; i < 5; ++i)
    c.perLayer[i].heads = kSizes[i][0], c.perLayer[i].kvHeads = kSizes[i][1], c.perLayer[i].hidden = kSizes[i][2];
  return {
      "deci",
      base("deci", c, 328),
      {.architecture = "DeciLMForCausalLM",
       .more =
           R"(, "block_configs": [{"attention": {"n_heads_in_group": 2, "no_op": false, "sparsify": null}, "ffn": {"ffn_mult": 5.25}}, )"
           R"({"attention": {"n_heads_in_group": null, "replace_with_linear": true}, "ffn": {"ffn_mult": 6.25, "no_op": false}}, )"
           R"({"attention": {"no_op": true}, "ffn": {"ffn_mult": 1}}, )"
           R"({"attention": {"no_op": true}, "ffn": {"no_op": true, "ffn_mult": null}}, )"
           R"({"attention": {"n_heads_in_group": 4}, "ffn": {"ffn_mult": 18.0}}])"},
      {{"Wo in place of attention", [](TestModel& off) { off.config.perLayer[1].heads = 0; }},
       {"a layer of a feed-forward alone", [](TestModel& off) { off.config.perLayer[2].hidden = 0; }}}};
}

/// Heads and feed-forwards that grow.
TestFamily openElm() {
  ModelConfig c = baseConfig(RopePairs::Half, 3);
  c.eps = 1e-6F;
  c.tied = true;
  c.headSize = 16;
  c.heads = 6;
  c.kvHeads = 3;
  c.hidden = 160;
  c.perLayer.resize(3);
  constexpr int64_t kSizes[3][3] = {{2, 1, 32}, {4, 2, 96}, {6, 3, 160}};
  for (size_t i = 0; i < 3; ++i)
    c.perLayer[i].heads = kSizes[i][0], c.perLayer[i].kvHeads = kSizes[i][1], c.perLayer[i].hidden = kSizes[i][2];
  TestFamily family{"openelm",
                    base("openelm", c, 329),
                    {.architecture = "OpenELMForCausalLM",
                     .more = R"(, "num_transformer_layers": 3, "max_context_length": 160, "model_dim": 64, "rope_freq_constant": 500, )"
                             R"("num_query_heads": [2, 4, 6], "num_kv_heads": [1, 2, 3], "ffn_multipliers": [0.5, 1.5, 2.5], )"
                             R"("ffn_dim_divisor": 32, "activation_fn_name": "swish", "qkv_multipliers": [0.5, 1.0], "num_gqa_groups": 2)"},
                    {withoutTensors("norms of heads", {"attn_q_norm", "attn_k_norm"})}};
  normHeads(family.model, c.headDim(), c.headDim(), 332);
  fuse(family.model, "attn_qkv", {"attn_q", "attn_k", "attn_v"});
  return family;
}

}  // namespace

std::vector<TestFamily> testFamilies() {
  std::vector<TestFamily> all = {qwen3(), mistral(),    gemma(),    gemma2(),      gemma3(),  olmo3(), smolLm3(), granite(),
                                 phi3(),  starCoder2(), stableLm(), stableLm12B(), gptNeoX(), deci(),  openElm()};
  for (TestFamily& each : mixtureFamilies()) all.push_back(std::move(each));
  return all;
}

}  // namespace quern
