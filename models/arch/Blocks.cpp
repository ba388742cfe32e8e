// models/arch/Blocks.cpp — see Blocks.h.
#include "models/arch/Blocks.h"

namespace quern {

LayerHeads headsOf(ModelGraph& g, const GraphRows& normed, const std::string& blk, const LayerConfig& own) {
  int64_t size = g.config().headDim(), q = own.heads * size, kv = own.kvHeads * size;
  if (g.has(blk + "attn_qkv.weight")) g.split(blk + "attn_qkv", {{blk + "attn_q", q}, {blk + "attn_k", kv}, {blk + "attn_v", kv}});
  GraphRows all = g.linear(normed, {{blk + "attn_q", q}, {blk + "attn_k", kv}, {blk + "attn_v", kv}});
  return {g.part(all, 0, q), g.part(all, q, kv), g.part(all, q + kv, kv)};
}

GraphRows expertFeedForward(ModelGraph& g, const GraphRows& normed, const std::string& blk, ScalarFn fn) {
  return expertFeedForward(g, normed, blk, [fn](const GraphRows& gate) { return gatedBy(fn, gate); });
}

GraphRows expertFeedForward(ModelGraph& g, const GraphRows& normed, const std::string& blk, const GateEnd& meet) {
  const ModelConfig& c = g.config();
  int64_t hidden = c.expertHidden != 0 ? c.expertHidden : c.hidden;
  if (g.has(blk + "ffn_gate_up_exps.weight")) {
    std::vector<std::pair<std::string, int64_t>> experts;
    for (int64_t i = 0; i < c.experts; ++i) experts.emplace_back(fmt::format("{}ffn_gate_up_exps.{}", blk, i), 1);
    g.split(blk + "ffn_gate_up_exps", experts);
    for (int64_t i = 0; i < c.experts && g.status(); ++i)
      g.split(experts[static_cast<size_t>(i)].first,
              {{fmt::format("{}ffn_gate_exps.{}", blk, i), hidden}, {fmt::format("{}ffn_up_exps.{}", blk, i), hidden}});
  }
  GraphRoute route = g.route(g.linear(normed, {{blk + "ffn_gate_inp", c.experts}}));
  GraphRows x = g.routed(route, normed);
  GraphRows gate = g.expertLinear(route, x, blk + "ffn_gate_exps", hidden);
  GraphRows inner = g.expertLinear(route, x, blk + "ffn_up_exps", hidden, meet(gate));
  return g.broughtBack(route, g.expertLinear(route, inner, blk + "ffn_down_exps", c.width));
}

/// Of weights whose names end in `which`; gate and up may be one, NAME.ffn_gate_up.
static GraphRows gatedProducts(ModelGraph& g, const GraphRows& normed, const std::string& blk, const std::string& which, int64_t hidden,
                               ScalarFn fn, const LinearEnd& end) {
  std::string fused = blk + "ffn_gate_up" + which;
  if (g.has(fused + ".weight")) g.split(fused, {{blk + "ffn_gate" + which, hidden}, {blk + "ffn_up" + which, hidden}});
  GraphRows gate = g.linear(normed, {{blk + "ffn_gate" + which, hidden}});
  GraphRows inner = g.linear(normed, {{blk + "ffn_up" + which, hidden}}, gatedBy(fn, gate));
  return g.linear(inner, {{blk + "ffn_down" + which, g.config().width}}, end);
}

GraphRows gatedFeedForward(ModelGraph& g, const GraphRows& normed, const std::string& blk, ScalarFn fn, const LinearEnd& end) {
  return gatedProducts(g, normed, blk, "", g.config().layer(0).hidden, fn, end);
}

GraphRows plusSharedExpert(ModelGraph& g, const GraphRows& x, const GraphRows& others, const GraphRows& normed, const std::string& blk,
                           ScalarFn fn, bool gated) {
  const ModelConfig& c = g.config();
  LinearEnd end = addedTo(x, c.residualScale);
  ScalarExprRef own = scalarOperand("x");
  if (gated) {
    end.operands.emplace_back("share", g.linear(normed, {{blk + "ffn_gate_inp_shexp", 1}}));
    own = scalarCall(ScalarFn::Mul, {scalarCall(ScalarFn::Sigmoid, {scalarOperand("share")}), own});
  }
  end.operands.emplace_back("others", others);
  end.ep = substituted(end.ep, "x", scalarCall(ScalarFn::Add, {scalarOperand("others"), own}));
  return gatedProducts(g, normed, blk, "_shexp", c.sharedHidden, fn, end);
}

GraphRows feedForward(ModelGraph& g, const GraphRows& normed, const std::string& blk, ScalarFn fn, const LinearEnd& end) {
  GraphRows inner = g.linear(normed, {{blk + "ffn_up", g.config().hidden}}, activated(fn));
  return g.linear(inner, {{blk + "ffn_down", g.config().width}}, end);
}

GraphRows attended(ModelGraph& g, const LayerHeads& heads, int64_t layer, const std::string& blk, const LinearEnd& end) {
  return g.linear(g.attention(heads.q, heads.k, heads.v, layer), {{blk + "attn_output", g.config().width}}, end);
}

void plainDecoder(ModelGraph& g, const PlainLayers& layers, bool hf) {
  const ModelConfig& c = g.config();
  if (g.has("rope_freqs.weight")) g.scaleFrequencies("rope_freqs.weight");
  GraphRows x = g.embedding("token_embd.weight");
  for (int64_t i = 0; i < c.layers; ++i) {
    std::string blk = fmt::format("blk.{}.", i);
    auto norm = [&](const GraphRows& rows, const char* gain, int64_t heads = 1) { return g.rmsNorm(rows, blk + gain, layers.plus, heads); };
    LayerConfig own = c.layer(i);
    if (own.heads > 0 && own.kvHeads == 0) {
      x = g.linear(norm(x, "attn_norm.weight"), {{blk + "attn_output", c.width}}, addedTo(x, c.residualScale));
    } else if (own.heads > 0) {
      LayerHeads heads = headsOf(g, norm(x, "attn_norm.weight"), blk, own);
      if (layers.headNorms || layers.rowNorms) {
        heads.q = norm(heads.q, "attn_q_norm.weight", layers.headNorms ? own.heads : 1);
        heads.k = norm(heads.k, "attn_k_norm.weight", layers.headNorms ? own.kvHeads : 1);
      }
      x = attended(g, heads, i, blk, addedTo(x, c.residualScale));
    }
    if (!g.status()) return;
    if (c.experts == 0 && own.hidden == 0) continue;
    GraphRows normed = norm(x, "ffn_norm.weight");
    if (c.experts == 0) {
      x = gatedProducts(g, normed, blk, "", own.hidden, layers.gate, addedTo(x, c.residualScale));
    } else {
      GraphRows mixed = expertFeedForward(g, normed, blk, layers.gate);
      if (c.sharedHidden == 0) x = g.sum(x, mixed, c.residualScale);
      else x = plusSharedExpert(g, x, mixed, normed, blk, layers.gate, layers.sharedGate);
    }
    if (!g.status()) return;
  }
  headOf(g, g.rmsNorm(g.outputs(x), "output_norm.weight", layers.plus), hf);
}

void headOf(ModelGraph& g, const GraphRows& normed, bool hf) {
  bool tied = g.config().tied, untied = !tied && (hf || g.has("output.weight"));
  if (tied) g.ignore("output.weight");
  g.logits(normed, untied ? "output.weight" : "token_embd.weight");
}

}  // namespace quern
