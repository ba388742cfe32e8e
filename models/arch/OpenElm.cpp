// models/arch/OpenElm.cpp — OpenELM: Qwen3's layers, with more heads and a wider feed-forward the later a layer is.
//
//   x = x + Wo Attn(rope(RmsNorm(Wq n)), rope(RmsNorm(Wk n)), Wv n),  n = RmsNorm(x)
//   x = x + Wdown (silu(Wgate n) * Wup n),                            n = RmsNorm(x)
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

#include <algorithm>
#include <cmath>

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"openelm"};
constexpr HfName kHfNames[] = {{"OpenELMForCausalLM", "openelm"}};
/// What the lists that are read were made of, and positions that were tabulated.
constexpr std::string_view kHarmlessHf[] = {"num_gqa_groups", "qkv_multipliers", "rope_max_length"};

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c = ggufDecoder(in, metadata, arch, {.sizes = LayerSizes::Own});
  c.architecture = "openelm";
  return checkedGguf(in, metadata, arch, c);
}

/// A list of a number of each layer; what is wrong is kept in `in`.
std::vector<double> numbersOf(Needed<JsonFields>& in, const JsonValue& root, const char* key, int64_t layers, bool whole) {
  const JsonValue* given = root.find(in.noted(key));
  const auto* list = given == nullptr ? nullptr : given->as<JsonArray>();
  std::vector<double> numbers(static_cast<size_t>(layers), 1);
  if (list == nullptr || list->size() != numbers.size()) {
    std::string is = list != nullptr ? fmt::format("a list of {}", list->size()) : given == nullptr ? "missing" : given->kind();
    return in.refuse(key, is, fmt::format("a list of {}, one of each layer,", layers)), numbers;
  }
  for (size_t i = 0; i < numbers.size(); ++i) {
    auto number = (*list)[i].number();
    bool good = number && *number > 0 && *number <= 65536 && (!whole || *number == std::floor(*number));
    if (good) numbers[i] = *number;
    else
      in.refuse(key, number ? fmt::format("{}", *number) : (*list)[i].kind(),
                fmt::format("a list of {}numbers above 0, at most 65536", whole ? "whole " : ""));
  }
  return numbers;
}

/// The multiple of `step` that is nearest to a size, or the next one where it is more than a tenth below it.
int64_t hiddenOf(double size, int64_t step) {
  int64_t near = std::max(step, static_cast<int64_t>(size + static_cast<double>(step) / 2) / step * step);
  return static_cast<double>(near) < 0.9 * size ? near + step : near;
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c;
  c.architecture = "openelm";
  c.name = name.name;
  c.rotary = true;
  c.eps = static_cast<float>(in.numberOr("rms_norm_eps", 1e-6));
  c.layers = in.integer("num_transformer_layers", 1, 4096);
  c.context = in.integer("max_context_length");
  c.width = in.integer("model_dim");
  c.headSize = in.integer("head_dim", 1, 65536);
  c.vocab = in.integer("vocab_size");
  c.rope.base = in.numberOr("rope_freq_constant", 10000);
  if (!(c.rope.base > 0)) in.refuse("rope_freq_constant", fmt::format("{}", c.rope.base), "a number above 0");
  c.tied = in.flagOr("share_input_output_layers", in.flagOr("tie_word_embeddings", true));
  for (auto [key, needed] : {std::pair{"activation_fn_name", "swish"}, {"normalization_layer_name", "rms_norm"}})
    if (std::string is = in.stringOr(key, needed); is != needed) in.refuse(key, is, needed);
  for (const char* key : {"ffn_with_glu", "normalize_qk_projections"})
    if (!in.flagOr(key, true)) in.refuse(key, "false", "true");
  int64_t step = in.integerOr("ffn_dim_divisor", 256, 1, 65536);
  auto heads = numbersOf(in, root, "num_query_heads", c.layers, true), kvHeads = numbersOf(in, root, "num_kv_heads", c.layers, true);
  auto times = numbersOf(in, root, "ffn_multipliers", c.layers, false);
  if (!in.status()) return in.status().error();
  for (size_t i = 0; i < times.size(); ++i) {
    int64_t hidden = hiddenOf(times[i] * static_cast<double>(c.width), step);
    c.perLayer.push_back({.heads = static_cast<int64_t>(heads[i]), .kvHeads = static_cast<int64_t>(kvHeads[i]), .hidden = hidden});
    c.heads = std::max(c.heads, c.perLayer[i].heads);
    c.kvHeads = std::max(c.kvHeads, c.perLayer[i].kvHeads);
    c.hidden = std::max(c.hidden, hidden);
  }
  return checkedHf(in, fields, root, c, kHarmlessHf);
}

void build(ModelGraph& g, const ModelConfig& /*c*/, bool hf) { plainDecoder(g, {.headNorms = true}, hf); }

}  // namespace

Architecture makeOpenElm() {
  return {"openelm",
          kGgufNames,
          kHfNames,
          {{"transformer.token_embeddings.weight", "token_embd.weight"},
           {"transformer.norm.weight", "output_norm.weight"},
           {"lm_head.weight", "output.weight"},
           {"transformer.layers.*.attn_norm.weight", "blk.*.attn_norm.weight"},
           {"transformer.layers.*.attn.qkv_proj.weight", "blk.*.attn_qkv.weight"},
           {"transformer.layers.*.attn.q_norm.weight", "blk.*.attn_q_norm.weight"},
           {"transformer.layers.*.attn.k_norm.weight", "blk.*.attn_k_norm.weight"},
           {"transformer.layers.*.attn.out_proj.weight", "blk.*.attn_output.weight"},
           {"transformer.layers.*.ffn_norm.weight", "blk.*.ffn_norm.weight"},
           {"transformer.layers.*.ffn.proj_1.weight", "blk.*.ffn_gate_up.weight"},
           {"transformer.layers.*.ffn.proj_2.weight", "blk.*.ffn_down.weight"}},
          decoderIgnored(),
          readGguf,
          readHf,
          build};
}

}  // namespace quern
