// models/arch/DecoderReading.cpp — see DecoderReading.h.
#include "models/arch/DecoderReading.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <cmath>

namespace quern {

ModelConfig ggufDecoder(Needed<Metadata>& in, const Metadata& metadata, const std::string& arch, const DecoderKeys& keys) {
  auto key = [&](const char* name) { return arch + "." + name; };
  ModelConfig c = ggufSizes(in, metadata, arch, keys.sizes);
  c.rotary = true;
  c.headSize = in.integerOr(key("attention.key_length"), c.headSize, 1, 65536);
  c.eps = static_cast<float>(in.number(key(keys.layerNorm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon")));
  c.rope.pairs = keys.pairs;
  if (!in.status()) return c;
  if (c.headSize == 0 && c.width % c.heads != 0)
    in.refuse(key("attention.head_count"), std::to_string(c.heads), fmt::format("a divisor of {} {}", key("embedding_length"), c.width));
  if (!in.status()) return c;
  int64_t values = in.integerOr(key("attention.value_length"), c.headDim()),
          turned = in.integerOr(key("rope.dimension_count"), c.headDim());
  if (values != c.headDim())
    in.refuse(key("attention.value_length"), std::to_string(values), fmt::format("the key length {}", c.headDim()));
  if (turned != c.headDim() && (keys.part == 0 || turned > c.headDim()))
    in.refuse(key("rope.dimension_count"), std::to_string(turned), fmt::format("the head's {}", c.headDim()));
  c.turned = turned == c.headDim() ? 0 : turned;
  double scale = in.numberOr(key("attention.scale"), 0), usual = 1 / std::sqrt(static_cast<double>(c.headDim()));
  if (scale != 0 && keys.scaled) c.attentionScale = scale;
  else if (scale != 0 && std::abs(scale - usual) > 1e-6 * usual)
    in.refuse(key("attention.scale"), fmt::format("{:g}", scale), fmt::format("{:g}, one over the root of the head's size,", usual));
  if (!in.flagOr(key("attention.causal"), true)) in.refuse(key("attention.causal"), "false", "true");
  readGgufRope(in, metadata, arch, c.rope);
  return c;
}

Result<ModelConfig> checkedGguf(const Needed<Metadata>& in, const Metadata& metadata, const std::string& arch, const ModelConfig& config,
                                std::span<const std::string_view> harmless) {
  if (!in.status()) return in.status().error();
  if (auto good = checkKeys(metadata, arch, {in.read(), harmless}); !good) return good.error();
  return config;
}

/// How much of a head is turned: by one of its names, or in the object that newer files have.
static double hfPart(Needed<JsonFields>& in, const JsonValue& root, double usual) {
  std::optional<double> part;
  for (const char* key : {"partial_rotary_factor", "rotary_pct", "rope_pct"})
    if (double given = in.numberOr(key, 0); given != 0) part = given;
  for (const char* object : {"rope_parameters", "rope_scaling"})
    if (const JsonValue* found = root.find(object); found != nullptr && !part)
      if (const JsonValue* given = found->find("partial_rotary_factor"); given != nullptr) part = given->number().value_or(0);
  if (part && !(*part > 0 && *part <= 1)) in.refuse("partial_rotary_factor", fmt::format("{}", *part), "a number above 0, at most 1");
  return part.value_or(usual);
}

ModelConfig hfDecoder(Needed<JsonFields>& in, const std::string& file, const JsonValue& root, const HfName& name, const DecoderKeys& keys,
                      std::span<const std::string_view> activations) {
  ModelConfig c;
  c.rotary = true;
  c.name = name.name;
  c.layers = in.integer("num_hidden_layers", 1, 4096);
  bool known = root.find("max_position_embeddings") != nullptr;
  for (const char* key : {"max_sequence_length", "n_positions", "n_ctx"})  // of older files
    if (c.context == 0 && !known) c.context = in.integerOr(key, 0);
  if (c.context == 0) c.context = in.integer("max_position_embeddings");
  c.width = in.integer("hidden_size");
  c.hidden = keys.hidden ? in.integer("intermediate_size") : in.integerOr("intermediate_size", 0);
  c.heads = in.integer("num_attention_heads", 1, 65536);
  c.kvHeads = in.integerOr("num_key_value_heads", c.heads, 1, 65536);
  c.headSize = in.integerOr("head_dim", 0, 1, 65536);
  c.vocab = in.integer("vocab_size");
  if (!keys.layerNorm) c.eps = static_cast<float>(in.numberOr("rms_norm_eps", keys.eps));
  std::string act = in.stringOr("hidden_act", std::string(activations[0]));
  if (std::find(activations.begin(), activations.end(), act) == activations.end()) {
    std::vector<std::string> all(activations.begin(), activations.end());
    in.refuse("hidden_act", act, join(all, " or "));
  }
  c.rope.pairs = RopePairs::Half;
  HfRope model{c.context, in.numberOr("original_max_position_embeddings", 0), keys.part == 0 ? 1 : hfPart(in, root, keys.part), keys.base,
               keys.local};
  if (in.status() && model.part != 1) {
    c.turned = static_cast<int64_t>(static_cast<double>(c.headDim()) * model.part);
    if (c.turned < 2)
      in.refuse("partial_rotary_factor", fmt::format("{}", model.part), fmt::format("a pair of the {} of a head", c.headDim()));
  }
  readHfRope(in, file, root, model, c.rope);
  const RopeConfig none, &all = c.rope, &local = keys.local != nullptr && *keys.local ? **keys.local : none;
  for (const std::vector<float>* factors : {&all.shortFactors, &all.longFactors, &local.shortFactors, &local.longFactors})
    if (in.status() && !factors->empty() && static_cast<int64_t>(factors->size()) != c.turnedDim() / 2)
      in.refuse("rope_scaling.short_factor, long_factor", fmt::format("a list of {}", factors->size()),
                fmt::format("a list of {}, half of what is turned of a head,", c.turnedDim() / 2));
  return c;
}

Result<ModelConfig> checkedHf(const Needed<JsonFields>& in, const JsonFields& fields, const JsonValue& root, const ModelConfig& config,
                              std::span<const std::string_view> harmless) {
  if (!in.status()) return in.status().error();
  if (auto good = checkKeys(fields.file(), root, {in.read(), harmless}); !good) return good.error();
  return config;
}

void ggufExperts(Needed<Metadata>& in, const std::string& arch, ModelConfig& config) {
  config.experts = in.integerOr(arch + ".expert_count", 0, 0, 65536);
  if (config.experts == 0) return;
  config.usedExperts = in.integer(arch + ".expert_used_count", 1, std::min<int64_t>(config.experts, 256));
  config.expertHidden = in.integerOr(arch + ".expert_feed_forward_length", config.hidden);
  for (int64_t i = 0; i < config.layers && !config.perLayer.empty(); ++i)
    if (config.layer(i).hidden != config.hidden)
      return in.refuse(arch + ".feed_forward_length", "an array of different numbers", "one number, with experts,");
}

void setWindows(ModelConfig& config, int64_t window, const std::function<bool(int64_t layer)>& windowed) {
  if (window == 0) return;
  config.perLayer.resize(static_cast<size_t>(config.layers));
  for (int64_t i = 0; i < config.layers; ++i)
    if (windowed(i)) config.perLayer[static_cast<size_t>(i)].window = window;
}

std::optional<std::vector<bool>> hfWindowedLayers(Needed<JsonFields>& in, const JsonValue& root, int64_t layers) {
  const JsonValue* types = root.find(in.noted("layer_types"));
  if (types == nullptr || types->as<std::nullptr_t>() != nullptr) return std::nullopt;
  const auto* list = types->as<JsonArray>();
  std::vector<bool> windowed;
  for (const JsonValue& type : list == nullptr ? JsonArray() : *list) {
    const auto* text = type.as<std::string>();
    bool sliding = text != nullptr && *text == "sliding_attention";
    if (!sliding && (text == nullptr || *text != "full_attention"))
      in.refuse("layer_types", text == nullptr ? type.kind() : *text, "full_attention or sliding_attention");
    windowed.push_back(sliding);
  }
  if (list != nullptr && static_cast<int64_t>(list->size()) == layers) return windowed;
  in.refuse("layer_types", list == nullptr ? types->kind() : fmt::format("a list of {}", list->size()),
            fmt::format("a list of {}, one of each layer,", layers));
  return std::nullopt;
}

void hfWindows(Needed<JsonFields>& in, const JsonValue& root, ModelConfig& config, std::optional<int64_t> unnamed) {
  bool on = in.flagOr("use_sliding_window", unnamed.has_value()), named = root.find(in.noted("sliding_window")) != nullptr;
  int64_t window = in.integerOr("sliding_window", named ? 0 : unnamed.value_or(0), 1, INT32_MAX);
  int64_t from = in.integerOr("max_window_layers", unnamed ? 0 : 28, 0, 4096);
  if (auto types = hfWindowedLayers(in, root, config.layers))
    return setWindows(config, window, [&](int64_t i) { return (*types)[static_cast<size_t>(i)]; });
  if (on) setWindows(config, window, [&](int64_t i) { return i >= from; });
}

std::function<bool(int64_t)> ggufPattern(Needed<Metadata>& in, const Metadata& metadata, const std::string& arch, int64_t layers,
                                         int64_t fallback) {
  std::string key = arch + ".attention.sliding_window_pattern";
  auto value = metadata.values().find(in.noted(key));
  if (value != metadata.values().end() && std::holds_alternative<MetadataNumbers>(value->second)) {
    auto flags = metadata.integers(key);
    if (!flags) in.fail(flags.error());
    else if (static_cast<int64_t>(flags->size()) != layers)
      in.refuse(key, fmt::format("an array of {}", flags->size()), fmt::format("one of {}, the layers,", layers));
    else return [all = *flags](int64_t i) { return all[static_cast<size_t>(i)] != 0; };
    return [](int64_t) { return false; };
  }
  int64_t pattern = in.integerOr(key, fallback, 1, 4096);
  return [pattern](int64_t i) { return i % pattern < pattern - 1; };
}

std::vector<WeightName> decoderWeights(std::initializer_list<WeightName> more) {
  std::vector<WeightName> names = {
      {"model.embed_tokens.weight", "token_embd.weight"},
      {"model.norm.weight", "output_norm.weight"},
      {"model.norm.bias", "output_norm.bias"},
      {"lm_head.weight", "output.weight"},
      {"model.layers.*.input_layernorm.weight", "blk.*.attn_norm.weight"},
      {"model.layers.*.input_layernorm.bias", "blk.*.attn_norm.bias"},
      {"model.layers.*.self_attn.q_proj.weight", "blk.*.attn_q.weight"},
      {"model.layers.*.self_attn.k_proj.weight", "blk.*.attn_k.weight"},
      {"model.layers.*.self_attn.v_proj.weight", "blk.*.attn_v.weight"},
      {"model.layers.*.self_attn.o_proj.weight", "blk.*.attn_output.weight"},
      {"model.layers.*.self_attn.q_proj.bias", "blk.*.attn_q.bias"},
      {"model.layers.*.self_attn.k_proj.bias", "blk.*.attn_k.bias"},
      {"model.layers.*.self_attn.v_proj.bias", "blk.*.attn_v.bias"},
      {"model.layers.*.self_attn.o_proj.bias", "blk.*.attn_output.bias"},
      {"model.layers.*.self_attn.q_norm.weight", "blk.*.attn_q_norm.weight"},
      {"model.layers.*.self_attn.k_norm.weight", "blk.*.attn_k_norm.weight"},
      {"model.layers.*.mlp.gate_proj.weight", "blk.*.ffn_gate.weight"},
      {"model.layers.*.mlp.up_proj.weight", "blk.*.ffn_up.weight"},
      {"model.layers.*.mlp.down_proj.weight", "blk.*.ffn_down.weight"},
  };
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

std::vector<WeightName> mixtureWeights(std::initializer_list<WeightName> more) {
  std::vector<WeightName> names = decoderWeights({{"model.layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight"},
                                                  {"model.layers.*.mlp.gate.weight", "blk.*.ffn_gate_inp.weight"},
                                                  {"model.layers.*.mlp.experts.*.gate_proj.weight", "blk.*.ffn_gate_exps.*.weight"},
                                                  {"model.layers.*.mlp.experts.*.up_proj.weight", "blk.*.ffn_up_exps.*.weight"},
                                                  {"model.layers.*.mlp.experts.*.down_proj.weight", "blk.*.ffn_down_exps.*.weight"}});
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

std::span<const std::string_view> decoderIgnored() {
  static constexpr std::string_view kIgnored[] = {"model.layers.*.self_attn.rotary_emb.inv_freq", "blk.*.attn_rot_embd",
                                                  "model.rotary_emb.inv_freq", "v_head.summary.weight", "v_head.summary.bias"};
  return kIgnored;
}

}  // namespace quern
