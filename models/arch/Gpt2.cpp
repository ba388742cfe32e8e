// models/arch/Gpt2.cpp — GPT-2: learned positions, LayerNorm, fused q, k, v, a GELU MLP; tied or untied head.
//
//   x = x + Wproj Attn(Wqkv n),     n = LayerNorm(x)
//   x = x + Wdown gelu(Wup n),      n = LayerNorm(x)      each linear with a bias where the weights have one
#include "models/arch/Architecture.h"
#include "models/arch/Blocks.h"
#include "models/arch/GgufSizes.h"
#include "models/arch/KnownKeys.h"
#include "models/arch/Needed.h"

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"gpt2"};
constexpr HfName kHfNames[] = {{"GPT2LMHeadModel", "gpt2"}, {"GPT2Model", "gpt2"}};
// With the prefix of GPT2LMHeadModel, or without, as GPT2Model was saved.
constexpr WeightName kHfWeights[] = {
    {"transformer.wte.weight", "token_embd.weight"},
    {"transformer.wpe.weight", "position_embd.weight"},
    {"transformer.ln_f.weight", "output_norm.weight"},
    {"transformer.ln_f.bias", "output_norm.bias"},
    {"lm_head.weight", "output.weight"},
    {"transformer.h.*.ln_1.weight", "blk.*.attn_norm.weight"},
    {"transformer.h.*.ln_1.bias", "blk.*.attn_norm.bias"},
    {"transformer.h.*.attn.c_attn.weight", "blk.*.attn_qkv.weight"},
    {"transformer.h.*.attn.c_attn.bias", "blk.*.attn_qkv.bias"},
    {"transformer.h.*.attn.c_proj.weight", "blk.*.attn_output.weight"},
    {"transformer.h.*.attn.c_proj.bias", "blk.*.attn_output.bias"},
    {"transformer.h.*.ln_2.weight", "blk.*.ffn_norm.weight"},
    {"transformer.h.*.ln_2.bias", "blk.*.ffn_norm.bias"},
    {"transformer.h.*.mlp.c_fc.weight", "blk.*.ffn_up.weight"},
    {"transformer.h.*.mlp.c_fc.bias", "blk.*.ffn_up.bias"},
    {"transformer.h.*.mlp.c_proj.weight", "blk.*.ffn_down.weight"},
    {"transformer.h.*.mlp.c_proj.bias", "blk.*.ffn_down.bias"},
    {"wte.weight", "token_embd.weight"},
    {"wpe.weight", "position_embd.weight"},
    {"ln_f.weight", "output_norm.weight"},
    {"ln_f.bias", "output_norm.bias"},
    {"h.*.ln_1.weight", "blk.*.attn_norm.weight"},
    {"h.*.ln_1.bias", "blk.*.attn_norm.bias"},
    {"h.*.attn.c_attn.weight", "blk.*.attn_qkv.weight"},
    {"h.*.attn.c_attn.bias", "blk.*.attn_qkv.bias"},
    {"h.*.attn.c_proj.weight", "blk.*.attn_output.weight"},
    {"h.*.attn.c_proj.bias", "blk.*.attn_output.bias"},
    {"h.*.ln_2.weight", "blk.*.ffn_norm.weight"},
    {"h.*.ln_2.bias", "blk.*.ffn_norm.bias"},
    {"h.*.mlp.c_fc.weight", "blk.*.ffn_up.weight"},
    {"h.*.mlp.c_fc.bias", "blk.*.ffn_up.bias"},
    {"h.*.mlp.c_proj.weight", "blk.*.ffn_down.weight"},
    {"h.*.mlp.c_proj.bias", "blk.*.ffn_down.bias"},
};
/// Causal masks that older files carry, and the value head that reinforcement learning leaves behind.
constexpr std::string_view kIgnored[] = {
    "transformer.h.*.attn.bias", "transformer.h.*.attn.masked_bias", "h.*.attn.bias", "h.*.attn.masked_bias", "v_head.summary.weight",
    "v_head.summary.bias"};
/// How a product is rounded elsewhere, and what was trained with it.
constexpr std::string_view kGpt2HarmlessHf[] = {"reorder_and_upcast_attn", "n_ctx", "n_special", "predict_special_tokens"};
/// Rotary keys, which converters of early days wrote for every model.
constexpr std::string_view kGpt2HarmlessGguf[] = {"rope.dimension_count", "rope.freq_base"};

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  auto key = [&](const char* name) { return arch + "." + name; };
  ModelConfig c = ggufSizes(in, metadata, arch);
  c.architecture = "gpt2";
  c.eps = static_cast<float>(in.number(key("attention.layer_norm_epsilon")));
  c.gelu = "tanh";
  if (!in.flagOr(key("attention.causal"), true)) in.refuse(key("attention.causal"), "false", "true");
  if (c.kvHeads != c.heads) in.refuse(key("attention.head_count_kv"), std::to_string(c.kvHeads), fmt::format("the heads' {}", c.heads));
  if (!in.status()) return in.status().error();
  if (auto good = checkKeys(metadata, arch, {in.read(), kGpt2HarmlessGguf}); !good) return good.error();
  return c;
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c;
  c.architecture = "gpt2";
  c.name = name.name;
  c.layers = in.integerOf({"n_layer", "num_hidden_layers"}, 1, 4096);
  c.heads = in.integerOf({"n_head", "num_attention_heads"}, 1, 65536);
  c.width = in.integerOf({"n_embd", "hidden_size"});
  bool older = !fields.has("n_positions") && !fields.has("max_position_embeddings") && fields.has("n_ctx");
  c.context = older ? in.integer("n_ctx") : in.integerOf({"n_positions", "max_position_embeddings"});
  c.vocab = in.integer("vocab_size");
  c.hidden = in.integerOr("n_inner", 4 * c.width);
  c.eps = static_cast<float>(in.numberOr("layer_norm_epsilon", 1e-5));
  c.tied = in.flagOr("tie_word_embeddings", true);
  std::string act = in.stringOr("activation_function", "gelu_new");
  if (act == "gelu_new" || act == "gelu_pytorch_tanh") c.gelu = "tanh";
  else if (act == "gelu") c.gelu = "erf";
  else if (act == "quick_gelu") c.gelu = "sigmoid";
  else in.refuse("activation_function", act, "gelu_new, gelu_pytorch_tanh, gelu or quick_gelu");
  if (in.flagOr("scale_attn_by_inverse_layer_idx", false)) in.refuse("scale_attn_by_inverse_layer_idx", "true", "false");
  if (!in.flagOr("scale_attn_weights", true)) in.refuse("scale_attn_weights", "false", "true");
  if (!in.status()) return in.status().error();
  if (auto good = checkKeys(fields.file(), root, {in.read(), kGpt2HarmlessHf}); !good) return good.error();
  return c;
}

void build(ModelGraph& g, const ModelConfig& c, bool hf) {
  int64_t d = c.width;
  ScalarFn gelu = g.function("gelu_" + c.gelu);
  bool inOut = hf;  // Hugging Face keeps GPT-2's linears as [in,out]
  GraphRows x = g.plusPositions(g.embedding("token_embd.weight"), "position_embd.weight");
  for (int64_t i = 0; i < c.layers; ++i) {
    std::string blk = fmt::format("blk.{}.", i);
    GraphRows qkv = g.linear(g.layerNorm(x, blk + "attn_norm.weight", blk + "attn_norm.bias"), {{blk + "attn_qkv", 3 * d}}, {}, inOut);
    GraphRows attended = g.attention(g.part(qkv, 0, d), g.part(qkv, d, d), g.part(qkv, 2 * d, d), i);
    x = g.linear(attended, {{blk + "attn_output", d}}, addedTo(x), inOut);
    GraphRows normed = g.layerNorm(x, blk + "ffn_norm.weight", blk + "ffn_norm.bias");
    GraphRows inner = g.linear(normed, {{blk + "ffn_up", c.hidden}}, activated(gelu), inOut);
    x = g.linear(inner, {{blk + "ffn_down", d}}, addedTo(x), inOut);
    if (!g.status()) return;
  }
  headOf(g, g.layerNorm(g.outputs(x), "output_norm.weight", "output_norm.bias"), hf);
}

}  // namespace

Architecture makeGpt2() {
  return {"gpt2", kGgufNames, kHfNames, {std::begin(kHfWeights), std::end(kHfWeights)}, kIgnored, readGguf, readHf, build};
}

}  // namespace quern
