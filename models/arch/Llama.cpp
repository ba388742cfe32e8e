// models/arch/Llama.cpp — the Llama family: RMSNorm, rotary positions, grouped-query attention, SwiGLU; tied or untied head; with
// biases of q, k and v where the weights have them (Qwen2).
//
//   x = x + Wo Attn(rope(Wq n), rope(Wk n), Wv n),  n = RmsNorm(x)
//   x = x + Wdown (silu(Wgate n) * Wup n),          n = RmsNorm(x)
#include "models/arch/Llama.h"

#include "models/arch/GgufSizes.h"
#include "models/arch/Needed.h"

#include <algorithm>

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"llama", "qwen2"};
constexpr std::string_view kHfNames[] = {"LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM"};
constexpr WeightName kHfWeights[] = {
    {"model.embed_tokens.weight", "token_embd.weight"},
    {"model.norm.weight", "output_norm.weight"},
    {"lm_head.weight", "output.weight"},
    {"model.layers.*.input_layernorm.weight", "blk.*.attn_norm.weight"},
    {"model.layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight"},
    {"model.layers.*.self_attn.q_proj.weight", "blk.*.attn_q.weight"},
    {"model.layers.*.self_attn.k_proj.weight", "blk.*.attn_k.weight"},
    {"model.layers.*.self_attn.v_proj.weight", "blk.*.attn_v.weight"},
    {"model.layers.*.self_attn.o_proj.weight", "blk.*.attn_output.weight"},
    {"model.layers.*.self_attn.q_proj.bias", "blk.*.attn_q.bias"},
    {"model.layers.*.self_attn.k_proj.bias", "blk.*.attn_k.bias"},
    {"model.layers.*.self_attn.v_proj.bias", "blk.*.attn_v.bias"},
    {"model.layers.*.self_attn.o_proj.bias", "blk.*.attn_output.bias"},
    {"model.layers.*.mlp.gate_proj.weight", "blk.*.ffn_gate.weight"},
    {"model.layers.*.mlp.up_proj.weight", "blk.*.ffn_up.weight"},
    {"model.layers.*.mlp.down_proj.weight", "blk.*.ffn_down.weight"},
};
/// Frequencies that older files carry although base and width say them.
constexpr std::string_view kIgnored[] = {"model.layers.*.self_attn.rotary_emb.inv_freq", "blk.*.attn_rot_embd"};

/// Reads a scaling by its type's name; the other values by `number(key, fallback)`.
template <class Source, class Number>
void readScaling(Needed<Source>& in, RopeConfig& rope, const std::string& key, const std::string& type, const Number& number) {
  if (type == "none" || type == "default" || type.empty()) return;
  if (type != "linear" && type != "llama3") return in.refuse(key, type, "none, linear or llama3");
  rope.scaling = type == "linear" ? RopeConfig::Scaling::Linear : RopeConfig::Scaling::Llama3;
  rope.factor = number("factor", 1.0);
  rope.lowFactor = number("low_freq_factor", rope.lowFactor);
  rope.highFactor = number("high_freq_factor", rope.highFactor);
  rope.originalContext = number("original_max_position_embeddings", rope.originalContext);
  if (!(rope.factor > 0)) in.refuse(key + " factor", fmt::format("{}", rope.factor), "a number above 0");
  if (!(rope.highFactor > rope.lowFactor && rope.lowFactor > 0))
    in.refuse(key + " low_freq_factor", fmt::format("{}", rope.lowFactor), "a number above 0 and below high_freq_factor");
}

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  auto key = [&](const char* name) { return arch + "." + name; };
  ModelConfig c = ggufSizes(in, metadata, arch);
  c.architecture = "llama";
  c.rotary = true;
  c.kvHeads = in.integerOr(key("attention.head_count_kv"), c.heads, 1, 65536);
  c.headSize = in.integerOr(key("attention.key_length"), 0, 1, 65536);
  c.eps = static_cast<float>(in.number(key("attention.layer_norm_rms_epsilon")));
  if (!in.status()) return in.status().error();
  if (int64_t experts = in.integerOr(key("expert_count"), 0, 0); experts > 0)
    in.refuse(key("expert_count"), std::to_string(experts), "0 (mixtures of experts are not built)");
  if (c.headSize == 0 && c.width % c.heads != 0)
    in.refuse(key("attention.head_count"), std::to_string(c.heads), fmt::format("a divisor of {} {}", key("embedding_length"), c.width));
  if (!in.status()) return in.status().error();
  int64_t values = in.integerOr(key("attention.value_length"), c.headDim()),
          turned = in.integerOr(key("rope.dimension_count"), c.headDim());
  if (values != c.headDim())
    in.refuse(key("attention.value_length"), std::to_string(values), fmt::format("the key length {}", c.headDim()));
  if (turned != c.headDim()) in.refuse(key("rope.dimension_count"), std::to_string(turned), fmt::format("the head's {}", c.headDim()));
  c.rope.pairs = arch == "llama" ? RopePairs::Adjacent : RopePairs::Half;
  c.rope.base = in.numberOr(key("rope.freq_base"), 10000);
  if (!(c.rope.base > 0)) in.refuse(key("rope.freq_base"), fmt::format("{}", c.rope.base), "a number above 0");
  std::string fallback = metadata.has(key("rope.scale_linear")) ? "linear" : "none";
  readScaling(in, c.rope, key("rope.scaling.type"), in.stringOr(key("rope.scaling.type"), fallback),
              [&](const std::string& name, double otherwise) {
                if (name == "original_max_position_embeddings") return in.numberOr(key("rope.scaling.original_context_length"), otherwise);
                if (name == "factor") return in.numberOr(key("rope.scaling.factor"), in.numberOr(key("rope.scale_linear"), otherwise));
                return in.numberOr(key("rope.scaling.") + name, otherwise);
              });
  if (!in.status()) return in.status().error();
  return c;
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const std::string& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c;
  c.architecture = "llama";
  c.rotary = true;
  c.name = name;
  c.layers = in.integer("num_hidden_layers", 1, 4096);
  c.context = in.integer("max_position_embeddings");
  c.width = in.integer("hidden_size");
  c.hidden = in.integer("intermediate_size");
  c.heads = in.integer("num_attention_heads", 1, 65536);
  c.kvHeads = in.integerOr("num_key_value_heads", c.heads, 1, 65536);
  c.headSize = in.integerOr("head_dim", 0, 1, 65536);
  c.vocab = in.integer("vocab_size");
  c.eps = static_cast<float>(in.numberOr("rms_norm_eps", 1e-6));
  c.tied = in.flagOr("tie_word_embeddings", false);
  if (std::string act = in.stringOr("hidden_act", "silu"); act != "silu") in.refuse("hidden_act", act, "silu");
  c.rope.pairs = RopePairs::Half;
  c.rope.base = in.numberOr("rope_theta", 10000);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {  // older and newer files
    const JsonValue* scaling = root.find(key);
    if (scaling == nullptr || scaling->as<JsonObject>() == nullptr) continue;
    JsonFields inner(fields.file(), *scaling);
    Needed<JsonFields> more(inner);
    std::string type = more.stringOr("rope_type", more.stringOr("type", "default"));
    c.rope.base = more.numberOr("rope_theta", c.rope.base);
    readScaling(more, c.rope, key, type, [&](const std::string& field, double otherwise) { return more.numberOr(field, otherwise); });
    if (!more.status()) return more.status().error();
  }
  if (!(c.rope.base > 0)) in.refuse("rope_theta", fmt::format("{}", c.rope.base), "a number above 0");
  // Within the window every position sees all before it: that much is built.
  bool windowed = in.flagOr("use_sliding_window", name == "MistralForCausalLM");
  int64_t window = in.integerOr("sliding_window", c.context);
  if (windowed) c.context = std::min(c.context, window);
  if (!in.status()) return in.status().error();
  return c;
}

void build(ModelGraph& g, const ModelConfig& c, bool hf) {
  int64_t q = c.heads * c.headDim(), kv = c.keyHeads() * c.headDim();
  if (g.has("rope_freqs.weight")) g.scaleFrequencies("rope_freqs.weight");
  GraphRows x = g.embedding("token_embd.weight");
  for (int64_t i = 0; i < c.layers; ++i) {
    std::string blk = fmt::format("blk.{}.", i);
    GraphRows qkv = g.linear(g.rmsNorm(x, blk + "attn_norm.weight"), {{blk + "attn_q", q}, {blk + "attn_k", kv}, {blk + "attn_v", kv}});
    GraphRows attended = g.attention(g.part(qkv, 0, q), g.part(qkv, q, kv), g.part(qkv, q + kv, kv), true);
    x = g.linear(attended, {{blk + "attn_output", c.width}}, {"x + bias + residual", {{"residual", x}}});
    GraphRows normed = g.rmsNorm(x, blk + "ffn_norm.weight");
    GraphRows gate = g.linear(normed, {{blk + "ffn_gate", c.hidden}});
    GraphRows inner = g.linear(normed, {{blk + "ffn_up", c.hidden}}, {"silu(gate) * (x + bias)", {{"gate", gate}}});
    x = g.linear(inner, {{blk + "ffn_down", c.width}}, {"x + bias + residual", {{"residual", x}}});
    if (!g.status()) return;
  }
  bool untied = !c.tied && (hf || g.has("output.weight"));  // GGUF says by its absence that the head is tied
  if (c.tied) g.ignore("output.weight");
  g.logits(g.rmsNorm(g.outputs(x), "output_norm.weight"), untied ? "output.weight" : "token_embd.weight");
}

}  // namespace

Architecture llamaArchitecture() { return {"llama", kGgufNames, kHfNames, kHfWeights, kIgnored, readGguf, readHf, build}; }

}  // namespace quern
