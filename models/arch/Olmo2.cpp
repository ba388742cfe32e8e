// models/arch/Olmo2.cpp — OLMo 2 and 3: what a layer adds is normed, not what it reads; norms over all of q and all of k; in OLMo 3 three
// of four layers see a window and are turned by unscaled angles.
//
//   x = x + RmsNorm(Wo Attn(rope(RmsNorm(Wq x)), rope(RmsNorm(Wk x)), Wv x))
//   x = x + RmsNorm(Wdown (silu(Wgate x) * Wup x))
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"olmo2"};
constexpr HfName kHfNames[] = {{"Olmo2ForCausalLM", "olmo2"}, {"Olmo3ForCausalLM", "olmo3"}};
constexpr std::string_view kActivations[] = {"silu"};
constexpr std::string_view kOlmoHarmlessHf[] = {"attention_bias"};

void setLocal(ModelConfig& c) {
  c.architecture = "olmo2";
  c.localRope = c.rope;
  c.localRope.scaling = RopeConfig::Scaling::None;
  c.localRope.magnitude = 1;
  for (LayerConfig& layer : c.perLayer) layer.local = layer.window != 0;
}

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c = ggufDecoder(in, metadata, arch, {});
  int64_t window = in.integerOr(arch + ".attention.sliding_window", 0, 0, INT32_MAX);
  setWindows(c, window, ggufPattern(in, metadata, arch, c.layers, 4));
  setLocal(c);
  c.localRope.base = baseOr(in, arch + ".rope.freq_base_swa", c.rope.base);
  return checkedGguf(in, metadata, arch, c);
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c = hfDecoder(in, fields.file(), root, name, {}, kActivations);
  c.tied = in.flagOr("tie_word_embeddings", false);
  if (name.modelType == "olmo3") {
    auto types = hfWindowedLayers(in, root, c.layers);
    setWindows(c, in.integerOr("sliding_window", 4096, 1, INT32_MAX),
               [&](int64_t i) { return types ? (*types)[static_cast<size_t>(i)] : i % 4 < 3; });
  }
  setLocal(c);
  return checkedHf(in, fields, root, c, kOlmoHarmlessHf);
}

void build(ModelGraph& g, const ModelConfig& c, bool hf) {
  GraphRows x = g.embedding("token_embd.weight");
  for (int64_t i = 0; i < c.layers; ++i) {
    std::string blk = fmt::format("blk.{}.", i);
    LayerHeads heads = headsOf(g, x, blk);
    heads.q = g.rmsNorm(heads.q, blk + "attn_q_norm.weight");
    heads.k = g.rmsNorm(heads.k, blk + "attn_k_norm.weight");
    x = g.sum(x, g.rmsNorm(attended(g, heads, i, blk), blk + "post_attention_norm.weight"));
    x = g.sum(x, g.rmsNorm(gatedFeedForward(g, x, blk, ScalarFn::Silu), blk + "post_ffw_norm.weight"));
    if (!g.status()) return;
  }
  headOf(g, g.rmsNorm(g.outputs(x), "output_norm.weight"), hf);
}

}  // namespace

Architecture makeOlmo2() {
  return {"olmo2",
          kGgufNames,
          kHfNames,
          decoderWeights({{"model.layers.*.post_attention_layernorm.weight", "blk.*.post_attention_norm.weight"},
                          {"model.layers.*.post_feedforward_layernorm.weight", "blk.*.post_ffw_norm.weight"}}),
          decoderIgnored(),
          readGguf,
          readHf,
          build};
}

}  // namespace quern
