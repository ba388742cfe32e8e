// models/arch/GptOss.cpp — gpt-oss: a mixture of experts with biases and a clamped gate; a score of each head that takes part in its
// softmax and has no value; every other layer sees a window.
//
//   x = x + Wo Attn(rope(Wq n), rope(Wk n), Wv n, sinks),                n = RmsNorm(x)
//   x = x + sum of w (Wdown ((u + 1) g sigmoid(1.702 g))),               g = min(Wgate n, 7), u = clamp(Wup n, -7, 7), n = RmsNorm(x)
#include "compiler/base/Text.h"
#include "models/JoinedExperts.h"
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

#include <algorithm>

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"gpt-oss"};
constexpr HfName kHfNames[] = {{"GptOssForCausalLM", "gpt_oss"}};
constexpr std::string_view kActivations[] = {"silu"};
/// Biases are built where their tensors are; the context of training stands with the angles too.
constexpr std::string_view kGptOssHarmlessHf[] = {"attention_bias", "router_aux_loss_coef", "output_router_logits",
                                                  "initial_context_length"};
constexpr float kMost = 7, kSlope = 1.702f;

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c = ggufDecoder(in, metadata, arch, {});
  c.architecture = "gpt-oss";
  ggufExperts(in, arch, c);
  if (in.status() && c.experts == 0) in.refuse(arch + ".expert_count", "0", "1 or more");
  setWindows(c, in.integer(arch + ".attention.sliding_window", 1, INT32_MAX), ggufPattern(in, metadata, arch, c.layers, 2));
  return checkedGguf(in, metadata, arch, c);
}

Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& root, const HfName& name) {
  Needed<JsonFields> in(fields);
  ModelConfig c = hfDecoder(in, fields.file(), root, name, {.base = 150000, .eps = 1e-5}, kActivations);
  c.architecture = "gpt-oss";
  if (c.headSize == 0) c.headSize = 64;
  c.tied = in.flagOr("tie_word_embeddings", false);
  if (root.find("rope_scaling") == nullptr && root.find("rope_parameters") == nullptr)
    in.refuse("rope_scaling", "missing", "an object or null");
  c.experts = in.integerOf({"num_local_experts", "num_experts"}, 1, 65536);
  c.usedExperts = in.integerOf({"num_experts_per_tok", "experts_per_token"}, 1, std::clamp<int64_t>(c.experts, 1, 256));
  c.expertHidden = c.hidden;
  for (auto [key, built] : {std::pair{"swiglu_limit", kMost}, {"swiglu_alpha", kSlope}})
    if (double given = in.numberOr(key, built); static_cast<float>(given) != built)
      in.refuse(key, fmt::format("{}", given), fmt::format("{}", built));
  auto types = hfWindowedLayers(in, root, c.layers);
  setWindows(c, in.integerOr("sliding_window", root.find("sliding_window") == nullptr ? 128 : 0, 1, INT32_MAX),
             [&](int64_t i) { return types ? (*types)[static_cast<size_t>(i)] : i % 2 == 0; });
  return checkedHf(in, fields, root, c, kGptOssHarmlessHf);
}

/// (u + 1) g sigmoid(1.702 g).
LinearEnd clampedGate(const GraphRows& gate) {
  ScalarExprRef g = scalarCall(ScalarFn::Min, {scalarOperand("gate"), scalarNumber(kMost)});
  ScalarExprRef u = scalarCall(ScalarFn::Max, {scalarCall(ScalarFn::Min, {scalarOperand("x"), scalarNumber(kMost)}), scalarNumber(-kMost)});
  ScalarExprRef passed =
      scalarCall(ScalarFn::Mul, {g, scalarCall(ScalarFn::Sigmoid, {scalarCall(ScalarFn::Mul, {g, scalarNumber(kSlope)})})});
  return {scalarCall(ScalarFn::Mul, {passed, scalarCall(ScalarFn::Add, {u, scalarNumber(1)})}), {{"gate", gate}}};
}

void build(ModelGraph& g, const ModelConfig& c, bool hf) {
  GraphRows x = g.embedding("token_embd.weight");
  for (int64_t i = 0; i < c.layers; ++i) {
    std::string blk = fmt::format("blk.{}.", i);
    LayerHeads heads = headsOf(g, g.rmsNorm(x, blk + "attn_norm.weight"), blk);
    GraphRows attention = g.attention(heads.q, heads.k, heads.v, i, blk + "attn_sinks.weight");
    x = g.linear(attention, {{blk + "attn_output", c.width}}, addedTo(x));
    x = g.sum(x, expertFeedForward(g, g.rmsNorm(x, blk + "post_attention_norm.weight"), blk, clampedGate));
    if (!g.status()) return;
  }
  headOf(g, g.rmsNorm(g.outputs(x), "output_norm.weight"), hf);
}

}  // namespace

Architecture makeGptOss() {
  return {"gpt-oss",
          kGgufNames,
          kHfNames,
          decoderWeights({{"model.layers.*.self_attn.sinks", "blk.*.attn_sinks.weight"},
                          {"model.layers.*.post_attention_layernorm.weight", "blk.*.post_attention_norm.weight"},
                          {"model.layers.*.mlp.router.weight", "blk.*.ffn_gate_inp.weight"},
                          {"model.layers.*.mlp.router.bias", "blk.*.ffn_gate_inp.bias"},
                          {"model.layers.*.mlp.experts.gate_proj.weight", "blk.*.ffn_gate_exps.weight"},
                          {"model.layers.*.mlp.experts.gate_proj.bias", "blk.*.ffn_gate_exps.bias"},
                          {"model.layers.*.mlp.experts.up_proj.weight", "blk.*.ffn_up_exps.weight"},
                          {"model.layers.*.mlp.experts.up_proj.bias", "blk.*.ffn_up_exps.bias"},
                          {"model.layers.*.mlp.experts.down_proj.weight", "blk.*.ffn_down_exps.weight"},
                          {"model.layers.*.mlp.experts.down_proj_bias", "blk.*.ffn_down_exps.bias"}}),
          decoderIgnored(),
          readGguf,
          readHf,
          build,
          {},
          joinExperts};
}

}  // namespace quern
