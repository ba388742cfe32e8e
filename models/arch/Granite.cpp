// models/arch/Granite.cpp — Granite: Llama's layers with a number that embeddings, scores, what layers add, and logits are multiplied by;
// Granite-MoE: with a mixture of experts in place of the feed-forward, and one beside them that all rows go through where there is one.
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

#include <algorithm>

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"granite", "granitemoe"};
constexpr HfName kHfNames[] = {
    {"GraniteForCausalLM", "granite"}, {"GraniteMoeForCausalLM", "granitemoe"}, {"GraniteMoeSharedForCausalLM", "granitemoeshared"}};
constexpr std::string_view kActivations[] = {"silu"};
constexpr std::string_view kGraniteHarmlessHf[] = {"attention_bias", "mlp_bias", "router_aux_loss_coef", "output_router_logits"};

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c = ggufDecoder(in, metadata, arch, {.pairs = RopePairs::Adjacent, .scaled = true, .sizes = LayerSizes::Own});
  c.architecture = arch;
  std::string finetuned = arch + ".rope.scaling.finetuned";
  ggufExperts(in, arch, c);
  if (c.experts > 0) c.sharedHidden = in.integerOr(arch + ".expert_shared_feed_forward_length", 0, 0);
  if (!in.flagOr(finetuned, true)) in.refuse(finetuned, "false", "true");
  c.embeddingScale = in.numberOr(arch + ".embedding_scale", 1);
  c.residualScale = in.numberOr(arch + ".residual_scale", 1);
  double divisor = in.number(arch + ".logit_scale");
  if (in.status() && divisor == 0) in.refuse(arch + ".logit_scale", "0", "another number");
  c.logitScale = divisor == 0 ? 1 : 1 / divisor;
  return checkedGguf(in, metadata, arch, c);
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c = hfDecoder(in, fields.file(), root, name, {}, kActivations);
  c.architecture = name.modelType == "granite" ? "granite" : "granitemoe";
  if (name.modelType != "granite") {
    c.experts = in.integerOr("num_local_experts", 8, 0, 65536);
    c.usedExperts = in.integerOr("num_experts_per_tok", 2, 1, std::clamp<int64_t>(c.experts, 1, 256));
    c.expertHidden = c.hidden;
    if (c.experts == 0) c.usedExperts = 0;
  }
  if (name.modelType == "granitemoeshared") c.sharedHidden = in.integerOr("shared_intermediate_size", 1024, 0);
  c.tied = in.flagOr("tie_word_embeddings", false);
  c.embeddingScale = in.numberOr("embedding_multiplier", 1);
  c.residualScale = in.numberOr("residual_multiplier", 1);
  c.attentionScale = in.numberOr("attention_multiplier", 1);
  double divisor = in.numberOr("logits_scaling", 1);
  if (divisor == 0) in.refuse("logits_scaling", "0", "another number");
  c.logitScale = 1 / divisor;
  return checkedHf(in, fields, root, c, kGraniteHarmlessHf);
}

void build(ModelGraph& g, const ModelConfig& /*c*/, bool hf) { plainDecoder(g, {}, hf); }

}  // namespace

Architecture makeGranite() {
  return {"granite",
          kGgufNames,
          kHfNames,
          decoderWeights({{"model.layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight"},
                          {"model.layers.*.block_sparse_moe.router.layer.weight", "blk.*.ffn_gate_inp.weight"},
                          {"model.layers.*.block_sparse_moe.input_linear.weight", "blk.*.ffn_gate_up_exps.weight"},
                          {"model.layers.*.block_sparse_moe.output_linear.weight", "blk.*.ffn_down_exps.weight"},
                          {"model.layers.*.shared_mlp.input_linear.weight", "blk.*.ffn_gate_up_shexp.weight"},
                          {"model.layers.*.shared_mlp.output_linear.weight", "blk.*.ffn_down_shexp.weight"}}),
          decoderIgnored(),
          readGguf,
          readHf,
          build};
}

}  // namespace quern
