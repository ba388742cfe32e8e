// models/arch/GptOss.cpp — gpt-oss: a mixture of experts with biases and a clamped gate; a score of each head that takes part in its
// softmax and has no value; every other layer sees a window.
//
//   x = x + Wo Attn(rope(Wq n), rope(Wk n), Wv n, sinks),                n = RmsNorm(x)
//   x = x + sum of w (Wdown ((u + 1) g sigmoid(1.702 g))),               g = min(Wgate n, 7), u = clamp(Wup n, -7, 7), n = RmsNorm(x)
#include "compiler/base/Text.h"
#include "models/arch/Blocks.h"
#include "models/arch/DecoderReading.h"

namespace quern {

namespace {

constexpr std::string_view kGgufNames[] = {"gpt-oss"};

Result<ModelConfig> readGguf(const Metadata& metadata, const std::string& arch) {
  Needed<Metadata> in(metadata);
  ModelConfig c = ggufDecoder(in, metadata, arch, {});
  c.architecture = "gpt-oss";
  ggufExperts(in, arch, c);
  if (in.status() && c.experts == 0) in.refuse(arch + ".expert_count", "0", "1 or more");
  setWindows(c, in.integer(arch + ".attention.sliding_window", 1, INT32_MAX), ggufPattern(in, metadata, arch, c.layers, 2));
  return checkedGguf(in, metadata, arch, c);
}

/// Folders keep experts in a packing of their own, which nobody reads yet.
Result<ModelConfig> readHf(const JsonFields& fields, const JsonValue& /*root*/, const HfName& /*name*/) {
  return badInput(fmt::format("{}: gpt-oss is read from GGUF files, not from folders", escaped(fields.file())));
}

/// (u + 1) g sigmoid(1.702 g).
LinearEnd clampedGate(const GraphRows& gate) {
  constexpr float kMost = 7, kSlope = 1.702f;
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

Architecture makeGptOss() { return {"gpt-oss", kGgufNames, {}, {}, {}, readGguf, readHf, build}; }

}  // namespace quern
