// models/arch/Gemma2.cpp — Gemma 2 and 3: scaled embeddings, RMSNorm whose gains folders store as distance from 1, a gate of gelu;
// what a layer adds is normed too; every few layers see all keys, the others a window; 2 caps scores and logits, 3 norms each
// head's q and k and turns windowed layers by a base of their own.
//
//   x = x + RmsNorm(Wo Attn(rope(Wq n), rope(Wk n), Wv n)),    n = RmsNorm(x)
//   x = x + RmsNorm(Wdown (gelu_tanh(Wgate n) * Wup n)),       n = RmsNorm(x)
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

#include <cmath>

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"gemma2", "gemma3"};
constexpr HfName kHfNames[] = {{"Gemma2ForCausalLM", "gemma2"}, {"Gemma3ForCausalLM", "gemma3_text"}};
constexpr std::string_view kActivations[] = {"gelu_pytorch_tanh"};
constexpr std::string_view kGemmaHarmlessHf[] = {"attention_bias", "cache_implementation", "use_bidirectional_attention"};

void begin(ModelConfig& c, int generation) {
  c.architecture = fmt::format("gemma{}", generation);
  c.embeddingScale = std::sqrt(static_cast<float>(c.width));
}

/// Windowed layers of Gemma 3 turn by a base of their own, unscaled.
void setLocal(ModelConfig& c, double base) {
  c.localRope = c.rope;
  c.localRope.scaling = RopeConfig::Scaling::None;
  c.localRope.base = base;
  for (LayerConfig& layer : c.perLayer) layer.local = layer.window != 0;
}

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  auto key = [&](const char* name) { return arch + "." + name; };
  ModelConfig c = ggufDecoder(in, metadata, arch, {});
  int generation = arch == "gemma2" ? 2 : 3;
  begin(c, generation);
  // The largest of both is the only one whose scores go by width / heads, which no key says.
  if (in.status() && c.layers == (generation == 2 ? 46 : 62)) c.attentionScale = 1 / std::sqrt(static_cast<double>(c.width / c.heads));
  c.scoreCap = generation == 2 ? in.numberOr(key("attn_logit_softcapping"), 50) : 0;
  c.logitCap = in.numberOr(key("final_logit_softcapping"), generation == 2 ? 30 : 0);
  int64_t window = in.integerOr(key("attention.sliding_window"), generation == 2 ? 4096 : 0, 0, INT32_MAX);
  setWindows(c, window, ggufPattern(in, metadata, arch, c.layers, generation == 2 ? 2 : 6));
  setLocal(c, baseOr(in, key("rope.freq_base_swa"), generation == 2 ? c.rope.base : 10000));
  if (generation == 2) c.localRope.scaling = c.rope.scaling, c.localRope.factor = c.rope.factor;
  return checkedGguf(in, metadata, arch, c);
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  std::optional<RopeConfig> local;
  ModelConfig c = hfDecoder(in, fields.file(), root, name, {.local = &local}, kActivations);
  int generation = name.modelType == "gemma2" ? 2 : 3;
  begin(c, generation);
  if (std::string act = in.stringOr("hidden_activation", "gelu_pytorch_tanh"); act != "gelu_pytorch_tanh")
    in.refuse("hidden_activation", act, "gelu_pytorch_tanh");
  if (c.headSize == 0) c.headSize = 256;
  c.tied = in.flagOr("tie_word_embeddings", true);
  c.attentionScale = 1 / std::sqrt(in.numberOr("query_pre_attn_scalar", 256));
  c.scoreCap = in.numberOr("attn_logit_softcapping", generation == 2 ? 50 : 0);
  c.logitCap = in.numberOr("final_logit_softcapping", generation == 2 ? 30 : 0);
  auto types = hfWindowedLayers(in, root, c.layers);
  int64_t pattern = in.integerOr("sliding_window_pattern", generation == 2 ? 2 : 6, 1, 4096);
  setWindows(c, in.integerOr("sliding_window", 4096, 1, INT32_MAX),
             [&](int64_t i) { return types ? (*types)[static_cast<size_t>(i)] : i % pattern < pattern - 1; });
  setLocal(c, generation == 2 ? c.rope.base : baseOr(in, "rope_local_base_freq", 10000));
  if (local) c.localRope = *local;
  return checkedHf(in, fields, root, c, kGemmaHarmlessHf);
}

void build(ModelGraph& g, const ModelConfig& c, bool hf) {
  float plus = hf ? 1 : 0;  // GGUF has gains as they are
  GraphRows x = g.embedding("token_embd.weight");
  for (int64_t i = 0; i < c.layers; ++i) {
    std::string blk = fmt::format("blk.{}.", i);
    auto norm = [&](const GraphRows& rows, const char* gain, int64_t heads = 1) { return g.rmsNorm(rows, blk + gain, plus, heads); };
    LayerHeads heads = headsOf(g, norm(x, "attn_norm.weight"), blk);
    if (c.architecture == "gemma3") {
      heads.q = norm(heads.q, "attn_q_norm.weight", c.heads);
      heads.k = norm(heads.k, "attn_k_norm.weight", c.keyHeads());
    }
    x = g.sum(x, norm(attended(g, heads, i, blk), "post_attention_norm.weight"));
    x = g.sum(x, norm(gatedFeedForward(g, norm(x, "ffn_norm.weight"), blk, ScalarFn::GeluTanh), "post_ffw_norm.weight"));
    if (!g.status()) return;
  }
  headOf(g, g.rmsNorm(g.outputs(x), "output_norm.weight", plus), hf);
}

}  // namespace

Architecture makeGemma2() {
  return {"gemma2",
          kGgufNames,
          kHfNames,
          decoderWeights({{"model.layers.*.pre_feedforward_layernorm.weight", "blk.*.ffn_norm.weight"},
                          {"model.layers.*.post_feedforward_layernorm.weight", "blk.*.post_ffw_norm.weight"},
                          {"model.layers.*.post_attention_layernorm.weight", "blk.*.post_attention_norm.weight"}}),
          decoderIgnored(),
          readGguf,
          readHf,
          build};
}

}  // namespace quern
