// models/arch/Llama.cpp — the Llama family: RMSNorm, rotary positions, grouped-query attention, SwiGLU; tied or untied head; with
// biases of q, k and v where the weights have them (Qwen2), with a mixture of experts in place of the feed-forward (Mixtral).
//
//   x = x + Wo Attn(rope(Wq n), rope(Wk n), Wv n),  n = RmsNorm(x)
//   x = x + Wdown (silu(Wgate n) * Wup n),          n = RmsNorm(x)
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

#include <algorithm>

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"llama", "qwen2"};
constexpr HfName kHfNames[] = {{"LlamaForCausalLM", "llama"},
                               {"LLaMAForCausalLM", "llama"},
                               {"MistralForCausalLM", "mistral"},
                               {"Qwen2ForCausalLM", "qwen2"},
                               {"MixtralForCausalLM", "mixtral"}};
constexpr std::string_view kActivations[] = {"silu", "swish"};

/// Biases are built where their tensors are.
constexpr std::string_view kLlamaHarmlessHf[] = {
    "attention_bias",       "mlp_bias",           "is_llama_config", "n_positions", "n_ctx", "router_aux_loss_coef",
    "output_router_logits", "router_jitter_noise"};
constexpr std::string_view kLlamaHarmlessGguf[] = {"attention.layer_norm_epsilon"};

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c =
      ggufDecoder(in, metadata, arch, {.pairs = arch == "llama" ? RopePairs::Adjacent : RopePairs::Half, .sizes = LayerSizes::Own});
  c.architecture = "llama";
  if (arch == "llama") ggufExperts(in, arch, c);
  setWindows(c, in.integerOr(arch + ".attention.sliding_window", 0, 0, INT32_MAX), [](int64_t) { return true; });
  return checkedGguf(in, metadata, arch, c, kLlamaHarmlessGguf);
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c = hfDecoder(in, fields.file(), root, name, {}, kActivations);
  c.architecture = "llama";
  c.tied = in.flagOr("tie_word_embeddings", false);
  if (std::string act = in.stringOr("activation", "swiglu"); act != "swiglu" && act != "silu") in.refuse("activation", act, "swiglu");
  std::optional<int64_t> standing;
  if (name.modelType == "mistral") standing = 4096;
  if (name.modelType == "mixtral") standing = 0;
  hfWindows(in, root, c, standing);
  if (name.modelType == "mixtral") {
    c.experts = in.integerOr("num_local_experts", 8, 1, 65536);
    c.usedExperts = in.integerOr("num_experts_per_tok", 2, 1, std::min<int64_t>(c.experts, 256));
  }
  return checkedHf(in, fields, root, c, kLlamaHarmlessHf);
}

void build(ModelGraph& g, const ModelConfig& /*c*/, bool hf) { plainDecoder(g, {}, hf); }

}  // namespace

Architecture makeLlama() {
  return {"llama",
          kGgufNames,
          kHfNames,
          decoderWeights({{"model.layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight"},
                          {"model.layers.*.block_sparse_moe.gate.weight", "blk.*.ffn_gate_inp.weight"},
                          {"model.layers.*.block_sparse_moe.experts.*.w1.weight", "blk.*.ffn_gate_exps.*.weight"},
                          {"model.layers.*.block_sparse_moe.experts.*.w2.weight", "blk.*.ffn_down_exps.*.weight"},
                          {"model.layers.*.block_sparse_moe.experts.*.w3.weight", "blk.*.ffn_up_exps.*.weight"}}),
          decoderIgnored(),
          readGguf,
          readHf,
          build};
}

}  // namespace quern
