// models/arch/Qwen3.cpp — Qwen3: Llama's layers with a norm of each head's q and k before they are turned.
//
//   x = x + Wo Attn(rope(RmsNorm(Wq n)), rope(RmsNorm(Wk n)), Wv n),  n = RmsNorm(x)
//   x = x + Wdown (silu(Wgate n) * Wup n),                            n = RmsNorm(x)
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"qwen3"};
constexpr HfName kHfNames[] = {{"Qwen3ForCausalLM", "qwen3"}};
constexpr std::string_view kActivations[] = {"silu"};
constexpr std::string_view kQwenHarmlessHf[] = {"attention_bias"};

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c = ggufDecoder(in, metadata, arch, {});
  c.architecture = "qwen3";
  return checkedGguf(in, metadata, arch, c);
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c = hfDecoder(in, fields.file(), root, name, {}, kActivations);
  c.architecture = "qwen3";
  if (c.headSize == 0) c.headSize = 128;
  c.tied = in.flagOr("tie_word_embeddings", false);
  hfWindows(in, root, c, false);
  return checkedHf(in, fields, root, c, kQwenHarmlessHf);
}

void build(ModelGraph& g, const ModelConfig& c, bool hf) {
  GraphRows x = g.embedding("token_embd.weight");
  for (int64_t i = 0; i < c.layers; ++i) {
    std::string blk = fmt::format("blk.{}.", i);
    LayerHeads heads = headsOf(g, g.rmsNorm(x, blk + "attn_norm.weight"), blk);
    heads.q = g.rmsNorm(heads.q, blk + "attn_q_norm.weight", 0, c.heads);
    heads.k = g.rmsNorm(heads.k, blk + "attn_k_norm.weight", 0, c.keyHeads());
    x = attended(g, heads, i, blk, addedTo(x));
    x = gatedFeedForward(g, g.rmsNorm(x, blk + "ffn_norm.weight"), blk, ScalarFn::Silu, addedTo(x));
    if (!g.status()) return;
  }
  headOf(g, g.rmsNorm(g.outputs(x), "output_norm.weight"), hf);
}

}  // namespace

Architecture makeQwen3() {
  return {
      "qwen3",          kGgufNames, kHfNames, decoderWeights({{"model.layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight"}}),
      decoderIgnored(), readGguf,   readHf,   build};
}

}  // namespace quern
