// models/arch/Phi3.cpp — Phi-3 and Phi-4: Llama's layers with q, k and v, and gate and up, in one weight each; angles stretched beyond the
// context of training; of Phi-4-mini part of a head is turned.
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"phi3"};
constexpr HfName kHfNames[] = {{"Phi3ForCausalLM", "phi3"}};
constexpr std::string_view kActivations[] = {"silu"};
constexpr std::string_view kPhiHarmlessHf[] = {"attention_bias", "full_attn_mod", "interpolate_factor"};

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c = ggufDecoder(in, metadata, arch, {.part = 1});
  c.architecture = "phi3";
  setWindows(c, in.integerOr(arch + ".attention.sliding_window", 0, 0, INT32_MAX), [](int64_t) { return true; });
  // Factors are tensors, which no key announces.
  c.rope.originalContext = in.numberOr(arch + ".rope.scaling.original_context_length", static_cast<double>(c.context));
  return checkedGguf(in, metadata, arch, c);
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c = hfDecoder(in, fields.file(), root, name, {.part = 1}, kActivations);
  c.architecture = "phi3";
  c.tied = in.flagOr("tie_word_embeddings", false);
  setWindows(c, in.integerOr("sliding_window", 0, 1, INT32_MAX), [](int64_t) { return true; });
  return checkedHf(in, fields, root, c, kPhiHarmlessHf);
}

void build(ModelGraph& g, const ModelConfig& c, bool hf) {
  for (const char* length : {"long", "short"}) {
    std::string factors = fmt::format("rope_factors_{}.weight", length);
    if (!g.has(factors)) continue;
    if ((length[0] == 'l') == g.longContext()) g.scaleFrequencies(factors);
    else g.ignore(factors);
  }
  GraphRows x = g.embedding("token_embd.weight");
  for (int64_t i = 0; i < c.layers; ++i) {
    std::string blk = fmt::format("blk.{}.", i);
    x = attended(g, headsOf(g, g.rmsNorm(x, blk + "attn_norm.weight"), blk), i, blk, addedTo(x));
    g.split(blk + "ffn_up", {{blk + "ffn_gate", c.hidden}, {blk + "ffn_up", c.hidden}});
    x = gatedFeedForward(g, g.rmsNorm(x, blk + "ffn_norm.weight"), blk, ScalarFn::Silu, addedTo(x));
    if (!g.status()) return;
  }
  headOf(g, g.rmsNorm(g.outputs(x), "output_norm.weight"), hf);
}

}  // namespace

Architecture makePhi3() {
  return {"phi3",
          kGgufNames,
          kHfNames,
          decoderWeights({{"model.layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight"},
                          {"model.layers.*.self_attn.qkv_proj.weight", "blk.*.attn_qkv.weight"},
                          {"model.layers.*.mlp.gate_up_proj.weight", "blk.*.ffn_up.weight"}}),
          decoderIgnored(),
          readGguf,
          readHf,
          build};
}

}  // namespace quern
