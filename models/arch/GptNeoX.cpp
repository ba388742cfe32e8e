// models/arch/GptNeoX.cpp — GPT-NeoX and Pythia: LayerNorm, part of each head turned, biases everywhere, attention and feed-forward of the
// same rows where the config says so. Folders store q, k and v head by head, one below the other.
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"gptneox"};
constexpr HfName kHfNames[] = {{"GPTNeoXForCausalLM", "gpt_neox"}};
constexpr std::string_view kActivations[] = {"gelu", "gelu_fast", "gelu_new"};
constexpr std::string_view kNeoxHarmlessHf[] = {"attention_bias"};
constexpr WeightName kHfWeights[] = {
    {"gpt_neox.embed_in.weight", "token_embd.weight"},
    {"gpt_neox.final_layer_norm.weight", "output_norm.weight"},
    {"gpt_neox.final_layer_norm.bias", "output_norm.bias"},
    {"embed_out.weight", "output.weight"},
    {"gpt_neox.layers.*.input_layernorm.weight", "blk.*.attn_norm.weight"},
    {"gpt_neox.layers.*.input_layernorm.bias", "blk.*.attn_norm.bias"},
    {"gpt_neox.layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight"},
    {"gpt_neox.layers.*.post_attention_layernorm.bias", "blk.*.ffn_norm.bias"},
    {"gpt_neox.layers.*.attention.query_key_value.weight", "blk.*.attn_qkv.weight"},
    {"gpt_neox.layers.*.attention.query_key_value.bias", "blk.*.attn_qkv.bias"},
    {"gpt_neox.layers.*.attention.dense.weight", "blk.*.attn_output.weight"},
    {"gpt_neox.layers.*.attention.dense.bias", "blk.*.attn_output.bias"},
    {"gpt_neox.layers.*.mlp.dense_h_to_4h.weight", "blk.*.ffn_up.weight"},
    {"gpt_neox.layers.*.mlp.dense_h_to_4h.bias", "blk.*.ffn_up.bias"},
    {"gpt_neox.layers.*.mlp.dense_4h_to_h.weight", "blk.*.ffn_down.weight"},
    {"gpt_neox.layers.*.mlp.dense_4h_to_h.bias", "blk.*.ffn_down.bias"},
};
/// Folders have them head by head.
constexpr std::string_view kRearranged[] = {"blk.*.attn_qkv.weight"};
/// Causal masks and frequencies that older files carry.
constexpr std::string_view kIgnored[] = {"gpt_neox.layers.*.attention.bias", "gpt_neox.layers.*.attention.masked_bias",
                                         "gpt_neox.layers.*.attention.rotary_emb.inv_freq"};

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c = ggufDecoder(in, metadata, arch, {.layerNorm = true, .part = 0.25});
  c.architecture = "gptneox";
  c.gelu = "erf";
  c.parallel = in.flagOr(arch + ".use_parallel_residual", true);
  return checkedGguf(in, metadata, arch, c);
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c = hfDecoder(in, fields.file(), root, name, {.layerNorm = true, .part = 0.25}, kActivations);
  c.architecture = "gptneox";
  c.rope.base = in.numberOr("rotary_emb_base", c.rope.base);
  c.gelu = in.stringOr("hidden_act", "gelu") == "gelu" ? "erf" : "tanh";
  c.eps = static_cast<float>(in.numberOr("layer_norm_eps", 1e-5));
  c.tied = in.flagOr("tie_word_embeddings", false);
  c.parallel = in.flagOr("use_parallel_residual", true);
  return checkedHf(in, fields, root, c, kNeoxHarmlessHf);
}

/// A layer's q, k and v where each head's three lie together.
LayerHeads headsApart(ModelGraph& g, const GraphRows& normed, const std::string& blk) {
  const ModelConfig& c = g.config();
  std::vector<std::pair<std::string, int64_t>> stored, wanted;
  for (int64_t head = 0; head < c.heads; ++head)
    for (const char* part : {"q", "k", "v"}) stored.emplace_back(fmt::format("{}attn_{}.{}", blk, part, head), c.headDim());
  for (const char* part : {"q", "k", "v"})
    for (int64_t head = 0; head < c.heads; ++head) wanted.emplace_back(fmt::format("{}attn_{}.{}", blk, part, head), c.headDim());
  g.split(blk + "attn_qkv", stored);
  int64_t width = c.heads * c.headDim();
  GraphRows all = g.linear(normed, wanted);
  return {g.part(all, 0, width), g.part(all, width, width), g.part(all, 2 * width, width)};
}

void build(ModelGraph& g, const ModelConfig& c, bool hf) {
  ScalarFn gelu = g.function("gelu_" + c.gelu);
  GraphRows x = g.embedding("token_embd.weight");
  for (int64_t i = 0; i < c.layers; ++i) {
    std::string blk = fmt::format("blk.{}.", i);
    GraphRows normed = g.layerNorm(x, blk + "attn_norm.weight", blk + "attn_norm.bias");
    LayerHeads heads = hf ? headsApart(g, normed, blk) : headsOf(g, normed, blk);
    GraphRows y = attended(g, heads, i, blk, addedTo(x));
    GraphRows second = g.layerNorm(c.parallel ? x : y, blk + "ffn_norm.weight", blk + "ffn_norm.bias");
    x = feedForward(g, second, blk, gelu, addedTo(y));
    if (!g.status()) return;
  }
  headOf(g, g.layerNorm(g.outputs(x), "output_norm.weight", "output_norm.bias"), hf);
}

}  // namespace

Architecture makeGptNeoX() {
  return {"gptneox", kGgufNames, kHfNames, {std::begin(kHfWeights), std::end(kHfWeights)}, kIgnored, readGguf, readHf, build, kRearranged};
}

}  // namespace quern
