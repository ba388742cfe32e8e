// models/arch/StableLm.cpp — StableLM: LayerNorm, part of each head turned, a gated feed-forward; StableLM 2 12B has attention and
// feed-forward of the same rows, and a LayerNorm without bias for each head of q and k, by gains of its own.
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"stablelm"};
constexpr HfName kHfNames[] = {{"StableLmForCausalLM", "stablelm"}};
constexpr std::string_view kActivations[] = {"silu"};
/// Biases are built where their tensors are.
constexpr std::string_view kStableHarmlessHf[] = {"use_qkv_bias"};

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c = ggufDecoder(in, metadata, arch, {.layerNorm = true, .part = 0.25});
  c.architecture = "stablelm";
  c.parallel = in.flagOr(arch + ".use_parallel_residual", false);
  return checkedGguf(in, metadata, arch, c);
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c = hfDecoder(in, fields.file(), root, name, {.layerNorm = true, .part = 0.25}, kActivations);
  c.architecture = "stablelm";
  c.eps = static_cast<float>(in.numberOr("layer_norm_eps", 1e-5));
  c.tied = in.flagOr("tie_word_embeddings", false);
  c.parallel = in.flagOr("use_parallel_residual", false);
  c.headNorms = in.flagOr("qk_layernorm", false);
  return checkedHf(in, fields, root, c, kStableHarmlessHf);
}

void build(ModelGraph& g, const ModelConfig& c, bool hf) {
  GraphRows x = g.embedding("token_embd.weight");
  for (int64_t i = 0; i < c.layers; ++i) {
    std::string blk = fmt::format("blk.{}.", i);
    GraphRows normed = g.layerNorm(x, blk + "attn_norm.weight", blk + "attn_norm.bias");
    LayerHeads heads = headsOf(g, normed, blk);
    if (c.headNorms || g.has(blk + "attn_q_norm.weight")) {  // GGUF says it by its tensors
      heads.q = g.layerNormOfHeads(heads.q, blk + "attn_q_norm", c.heads);
      heads.k = g.layerNormOfHeads(heads.k, blk + "attn_k_norm", c.keyHeads());
    }
    GraphRows y = attended(g, heads, i, blk, addedTo(x));
    GraphRows second = c.parallel ? normed : g.layerNorm(y, blk + "ffn_norm.weight", blk + "ffn_norm.bias");
    x = gatedFeedForward(g, second, blk, ScalarFn::Silu, addedTo(y));
    if (!g.status()) return;
  }
  headOf(g, g.layerNorm(g.outputs(x), "output_norm.weight", "output_norm.bias"), hf);
}

}  // namespace

Architecture makeStableLm() {
  return {"stablelm",
          kGgufNames,
          kHfNames,
          decoderWeights({{"model.layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight"},
                          {"model.layers.*.post_attention_layernorm.bias", "blk.*.ffn_norm.bias"},
                          {"model.layers.*.self_attn.q_layernorm.norms.*.weight", "blk.*.attn_q_norm.*.weight"},
                          {"model.layers.*.self_attn.k_layernorm.norms.*.weight", "blk.*.attn_k_norm.*.weight"}}),
          decoderIgnored(),
          readGguf,
          readHf,
          build};
}

}  // namespace quern
