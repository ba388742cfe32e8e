// models/arch/Llama.cpp — the Llama family: RMSNorm, rotary positions, grouped-query attention, SwiGLU; tied or untied head; with
// biases of q, k and v where the weights have them (Qwen2).
//
//   x = x + Wo Attn(rope(Wq n), rope(Wk n), Wv n),  n = RmsNorm(x)
//   x = x + Wdown (silu(Wgate n) * Wup n),          n = RmsNorm(x)
#include "models/arch/Architecture.h"
#include "models/arch/GgufSizes.h"
#include "models/arch/KnownKeys.h"
#include "models/arch/Needed.h"
#include "models/arch/RopeReading.h"

#include <algorithm>
#include <cmath>

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"llama", "qwen2"};
constexpr HfName kHfNames[] = {
    {"LlamaForCausalLM", "llama"}, {"LLaMAForCausalLM", "llama"}, {"MistralForCausalLM", "mistral"}, {"Qwen2ForCausalLM", "qwen2"}};
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
/// Frequencies that older files carry although base and width say them, and the value head that reinforcement learning leaves behind.
constexpr std::string_view kIgnored[] = {"model.layers.*.self_attn.rotary_emb.inv_freq", "blk.*.attn_rot_embd", "model.rotary_emb.inv_freq",
                                         "v_head.summary.weight", "v_head.summary.bias"};

/// Biases are built where their tensors are; what layers do beyond their window is said by layer_types and sliding_window.
constexpr std::string_view kLlamaHarmlessHf[] = {"attention_bias",  "mlp_bias",    "max_window_layers",
                                                 "is_llama_config", "n_positions", "n_ctx"};
constexpr std::string_view kLlamaHarmlessGguf[] = {"attention.layer_norm_epsilon"};

/// Within the window every position sees all before it: that much is built.
void cutToWindow(ModelConfig& c, int64_t window) {
  if (window > 0) c.context = std::min(c.context, window);
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
  double scale = in.numberOr(key("attention.scale"), 0), usual = 1 / std::sqrt(static_cast<double>(c.headDim()));
  if (scale != 0 && std::abs(scale - usual) > 1e-6 * usual)
    in.refuse(key("attention.scale"), fmt::format("{:g}", scale), fmt::format("{:g}, one over the root of the head's size,", usual));
  if (!in.flagOr(key("attention.causal"), true)) in.refuse(key("attention.causal"), "false", "true");
  cutToWindow(c, in.integerOr(key("attention.sliding_window"), 0, 0, INT32_MAX));
  c.rope.pairs = arch == "llama" ? RopePairs::Adjacent : RopePairs::Half;
  readGgufRope(in, metadata, arch, c.rope);
  if (!in.status()) return in.status().error();
  if (auto good = checkKeys(metadata, arch, {in.read(), kLlamaHarmlessGguf}); !good) return good.error();
  return c;
}

/// The window of sliding attention; 0: none. Mistral's stands although nothing says so; Qwen 2's must be switched on.
int64_t hfWindow(Needed<JsonFields>& in, const JsonValue& root, const HfName& name) {
  bool mistral = name.modelType == "mistral";
  bool windowed = in.flagOr("use_sliding_window", mistral);
  const JsonValue* types = root.find(in.noted("layer_types"));
  const auto* list = types == nullptr ? nullptr : types->as<JsonArray>();
  for (const JsonValue& type : list == nullptr ? JsonArray() : *list) {
    const auto* text = type.as<std::string>();
    bool sliding = text != nullptr && *text == "sliding_attention";
    if (!sliding && (text == nullptr || *text != "full_attention"))
      in.refuse("layer_types", text == nullptr ? type.kind() : *text, "full_attention or sliding_attention");
    windowed = windowed || sliding;
  }
  if (root.find(in.noted("sliding_window")) == nullptr) return mistral && windowed ? 4096 : 0;
  int64_t window = in.integerOr("sliding_window", 0, 1, INT32_MAX);
  return windowed ? window : 0;
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c;
  c.architecture = "llama";
  c.rotary = true;
  c.name = name.name;
  c.layers = in.integer("num_hidden_layers", 1, 4096);
  for (const char* key : {"max_sequence_length", "n_positions", "n_ctx"})  // of older files
    if (c.context == 0 && !fields.has("max_position_embeddings")) c.context = in.integerOr(key, 0);
  if (c.context == 0) c.context = in.integer("max_position_embeddings");
  c.width = in.integer("hidden_size");
  c.hidden = in.integer("intermediate_size");
  c.heads = in.integer("num_attention_heads", 1, 65536);
  c.kvHeads = in.integerOr("num_key_value_heads", c.heads, 1, 65536);
  c.headSize = in.integerOr("head_dim", 0, 1, 65536);
  c.vocab = in.integer("vocab_size");
  c.eps = static_cast<float>(in.numberOr("rms_norm_eps", 1e-6));
  c.tied = in.flagOr("tie_word_embeddings", false);
  if (std::string act = in.stringOr("hidden_act", "silu"); act != "silu" && act != "swish") in.refuse("hidden_act", act, "silu");
  if (std::string act = in.stringOr("activation", "swiglu"); act != "swiglu" && act != "silu") in.refuse("activation", act, "swiglu");
  c.rope.pairs = RopePairs::Half;
  readHfRope(in, fields.file(), root, c.rope);
  cutToWindow(c, hfWindow(in, root, name));
  if (!in.status()) return in.status().error();
  if (auto good = checkKeys(fields.file(), root, {in.read(), kLlamaHarmlessHf}); !good) return good.error();
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
    x = g.linear(attended, {{blk + "attn_output", c.width}}, addedTo(x));
    GraphRows normed = g.rmsNorm(x, blk + "ffn_norm.weight");
    GraphRows gate = g.linear(normed, {{blk + "ffn_gate", c.hidden}});
    GraphRows inner = g.linear(normed, {{blk + "ffn_up", c.hidden}}, gatedBy(ScalarFn::Silu, gate));
    x = g.linear(inner, {{blk + "ffn_down", c.width}}, addedTo(x));
    if (!g.status()) return;
  }
  bool untied = !c.tied && (hf || g.has("output.weight"));  // GGUF says by its absence that the head is tied
  if (c.tied) g.ignore("output.weight");
  g.logits(g.rmsNorm(g.outputs(x), "output_norm.weight"), untied ? "output.weight" : "token_embd.weight");
}

}  // namespace

Architecture makeLlama() { return {"llama", kGgufNames, kHfNames, kHfWeights, kIgnored, readGguf, readHf, build}; }

}  // namespace quern
