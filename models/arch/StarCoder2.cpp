// models/arch/StarCoder2.cpp — StarCoder2: LayerNorm, rotary positions, biases everywhere, a plain feed-forward with gelu.
//
//   x = x + Wo Attn(rope(Wq n), rope(Wk n), Wv n),  n = LayerNorm(x)
//   x = x + Wdown gelu_tanh(Wup n),                 n = LayerNorm(x)
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"starcoder2"};
constexpr HfName kHfNames[] = {{"Starcoder2ForCausalLM", "starcoder2"}};
constexpr std::string_view kActivations[] = {"gelu_pytorch_tanh"};
/// Biases are built where their tensors are.
constexpr std::string_view kStarHarmlessHf[] = {
    "use_bias", "mlp_type", "activation_function", "layer_norm_epsilon", "attention_softmax_in_fp32", "scale_attention_softmax_in_fp32"};

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c = ggufDecoder(in, metadata, arch, {.layerNorm = true});
  c.architecture = "starcoder2";
  setWindows(c, in.integerOr(arch + ".attention.sliding_window", 0, 0, INT32_MAX), [](int64_t) { return true; });
  return checkedGguf(in, metadata, arch, c);
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c = hfDecoder(in, fields.file(), root, name, {.layerNorm = true}, kActivations);
  c.architecture = "starcoder2";
  c.eps = static_cast<float>(in.numberOr("norm_epsilon", 1e-5));
  c.tied = in.flagOr("tie_word_embeddings", true);
  if (std::string norm = in.stringOr("norm_type", "layer_norm"); norm != "layer_norm") in.refuse("norm_type", norm, "layer_norm");
  setWindows(c, in.integerOr("sliding_window", 0, 1, INT32_MAX), [](int64_t) { return true; });
  return checkedHf(in, fields, root, c, kStarHarmlessHf);
}

void build(ModelGraph& g, const ModelConfig& c, bool hf) {
  GraphRows x = g.embedding("token_embd.weight");
  for (int64_t i = 0; i < c.layers; ++i) {
    std::string blk = fmt::format("blk.{}.", i);
    x = attended(g, headsOf(g, g.layerNorm(x, blk + "attn_norm.weight", blk + "attn_norm.bias"), blk), i, blk, addedTo(x));
    x = feedForward(g, g.layerNorm(x, blk + "ffn_norm.weight", blk + "ffn_norm.bias"), blk, ScalarFn::GeluTanh, addedTo(x));
    if (!g.status()) return;
  }
  headOf(g, g.layerNorm(g.outputs(x), "output_norm.weight", "output_norm.bias"), hf);
}

}  // namespace

Architecture makeStarCoder2() {
  return {"starcoder2",
          kGgufNames,
          kHfNames,
          decoderWeights({{"model.layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight"},
                          {"model.layers.*.post_attention_layernorm.bias", "blk.*.ffn_norm.bias"},
                          {"model.layers.*.mlp.c_fc.weight", "blk.*.ffn_up.weight"},
                          {"model.layers.*.mlp.c_fc.bias", "blk.*.ffn_up.bias"},
                          {"model.layers.*.mlp.c_proj.weight", "blk.*.ffn_down.weight"},
                          {"model.layers.*.mlp.c_proj.bias", "blk.*.ffn_down.bias"}}),
          decoderIgnored(),
          readGguf,
          readHf,
          build};
}

}  // namespace quern
