// models/arch/Qwen2Moe.cpp — Qwen2-MoE: Qwen2's layers with a mixture of experts, and one expert beside them that every row goes through
// and that counts by a sigmoid of the row.
//
//   x = x + Wo Attn(rope(Wq n), rope(Wk n), Wv n),                  n = RmsNorm(x)
//   x = x + sum of w Wdown (silu(Wgate n) * Wup n)
//         + sigmoid(ws n) Wdown' (silu(Wgate' n) * Wup' n),         n = RmsNorm(x)
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

#include <algorithm>

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"qwen2moe"};
constexpr HfName kHfNames[] = {{"Qwen2MoeForCausalLM", "qwen2_moe"}};
constexpr std::string_view kActivations[] = {"silu"};
/// Biases are built where their tensors are.
constexpr std::string_view kHarmlessHf[] = {"qkv_bias", "router_aux_loss_coef", "output_router_logits"};

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c = ggufDecoder(in, metadata, arch, {.sizes = LayerSizes::Own});
  c.architecture = "qwen2moe";
  c.normalisedExperts = in.flagOr(arch + ".expert_weights_norm", false);
  ggufExperts(in, arch, c);
  if (in.status() && c.experts == 0) in.refuse(arch + ".expert_count", "0", "1 or more");
  if (!metadata.has(arch + ".expert_feed_forward_length") && in.status()) c.expertHidden = c.hidden / c.usedExperts;
  c.sharedHidden = in.integerOr(arch + ".expert_shared_feed_forward_length", c.hidden);
  return checkedGguf(in, metadata, arch, c);
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c = hfDecoder(in, fields.file(), root, name, {}, kActivations);
  c.architecture = "qwen2moe";
  c.tied = in.flagOr("tie_word_embeddings", false);
  c.experts = in.integerOr("num_experts", 60, 1, 65536);
  c.usedExperts = in.integerOr("num_experts_per_tok", 4, 1, std::min<int64_t>(c.experts, 256));
  c.expertHidden = in.integerOr("moe_intermediate_size", 1408);
  c.sharedHidden = in.integerOr("shared_expert_intermediate_size", 5632);
  c.normalisedExperts = in.flagOr("norm_topk_prob", false);
  if (int64_t step = in.integerOr("decoder_sparse_step", 1); step != 1) in.refuse("decoder_sparse_step", std::to_string(step), "1");
  // Without layer_types every other layer up to max_window_layers has the window.
  bool on = in.flagOr("use_sliding_window", false);
  int64_t window = in.integerOr("sliding_window", root.find("sliding_window") == nullptr ? 4096 : 0, 1, INT32_MAX);
  int64_t most = in.integerOr("max_window_layers", 28, 0, 4096);
  auto types = hfWindowedLayers(in, root, c.layers);
  if (on) setWindows(c, window, [&](int64_t i) { return types ? (*types)[static_cast<size_t>(i)] : i % 2 == 0 && i < most; });
  return checkedHf(in, fields, root, c, kHarmlessHf);
}

void build(ModelGraph& g, const ModelConfig& /*c*/, bool hf) { plainDecoder(g, {.sharedGate = true}, hf); }

}  // namespace

Architecture makeQwen2Moe() {
  return {"qwen2moe",
          kGgufNames,
          kHfNames,
          mixtureWeights({{"model.layers.*.mlp.shared_expert_gate.weight", "blk.*.ffn_gate_inp_shexp.weight"},
                          {"model.layers.*.mlp.shared_expert.gate_proj.weight", "blk.*.ffn_gate_shexp.weight"},
                          {"model.layers.*.mlp.shared_expert.up_proj.weight", "blk.*.ffn_up_shexp.weight"},
                          {"model.layers.*.mlp.shared_expert.down_proj.weight", "blk.*.ffn_down_shexp.weight"}}),
          decoderIgnored(),
          readGguf,
          readHf,
          build};
}

}  // namespace quern
