// models/arch/Qwen3.cpp — Qwen3: Llama's layers with a norm of each head's q and k before they are turned; Qwen3-MoE: with a mixture of
// experts in place of the feed-forward.
//
//   x = x + Wo Attn(rope(RmsNorm(Wq n)), rope(RmsNorm(Wk n)), Wv n),  n = RmsNorm(x)
//   x = x + Wdown (silu(Wgate n) * Wup n),                            n = RmsNorm(x)
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

#include <algorithm>

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"qwen3", "qwen3moe"};
constexpr HfName kHfNames[] = {{"Qwen3ForCausalLM", "qwen3"}, {"Qwen3MoeForCausalLM", "qwen3_moe"}};
constexpr std::string_view kActivations[] = {"silu"};
constexpr std::string_view kQwenHarmlessHf[] = {"attention_bias", "router_aux_loss_coef", "output_router_logits"};

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c = ggufDecoder(in, metadata, arch, {.sizes = LayerSizes::Own});
  c.architecture = arch;
  if (arch == "qwen3moe") ggufExperts(in, arch, c);
  if (arch == "qwen3moe" && in.status() && c.experts == 0) in.refuse(arch + ".expert_count", "0", "1 or more");
  return checkedGguf(in, metadata, arch, c);
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c = hfDecoder(in, fields.file(), root, name, {}, kActivations);
  c.architecture = "qwen3";
  if (name.modelType == "qwen3_moe") {
    c.architecture = "qwen3moe";
    c.experts = in.integerOr("num_experts", 128, 1, 65536);
    c.usedExperts = in.integerOr("num_experts_per_tok", 8, 1, std::min<int64_t>(c.experts, 256));
    c.expertHidden = in.integerOr("moe_intermediate_size", 768);
    c.normalisedExperts = in.flagOr("norm_topk_prob", false);
    if (int64_t step = in.integerOr("decoder_sparse_step", 1); step != 1) in.refuse("decoder_sparse_step", std::to_string(step), "1");
  }
  if (c.headSize == 0) c.headSize = 128;
  c.tied = in.flagOr("tie_word_embeddings", false);
  hfWindows(in, root, c);
  return checkedHf(in, fields, root, c, kQwenHarmlessHf);
}

void build(ModelGraph& g, const ModelConfig& /*c*/, bool hf) { plainDecoder(g, {.headNorms = true}, hf); }

}  // namespace

Architecture makeQwen3() { return {"qwen3", kGgufNames, kHfNames, mixtureWeights(), decoderIgnored(), readGguf, readHf, build}; }

}  // namespace quern
