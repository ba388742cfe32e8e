// models/arch/Blocks.h — what layers of several architectures are made of.
#pragma once

#include "models/ModelGraph.h"

#include <fmt/format.h>
#include <functional>

namespace quern {

/// q, k and v of a layer's rows: NAME.attn_q, attn_k, attn_v, or all of them in attn_qkv. `own`: of that layer; without, all are alike.
struct LayerHeads {
  GraphRows q, k, v;
};
LayerHeads headsOf(ModelGraph& g, const GraphRows& normed, const std::string& blk, const LayerConfig& own);
inline LayerHeads headsOf(ModelGraph& g, const GraphRows& normed, const std::string& blk) {
  return headsOf(g, normed, blk, g.config().layer(0));
}

/// Each row through the experts that NAME.ffn_gate_inp scores highest: the weighted sum of their Wdown (fn(Wgate n) * Wup n):
/// NAME.ffn_gate_exps, ffn_up_exps, ffn_down_exps; or gate and up, one below the other, in ffn_gate_up_exps.
GraphRows expertFeedForward(ModelGraph& g, const GraphRows& normed, const std::string& blk, ScalarFn fn);
/// The same with another meeting of gate and up: how the product of up ends, given that of gate.
using GateEnd = std::function<LinearEnd(const GraphRows& gate)>;
GraphRows expertFeedForward(ModelGraph& g, const GraphRows& normed, const std::string& blk, const GateEnd& meet);
/// Wdown (fn(Wgate n) * Wup n): NAME.ffn_gate, ffn_up, ffn_down; or the first two, one below the other, in ffn_gate_up.
GraphRows gatedFeedForward(ModelGraph& g, const GraphRows& normed, const std::string& blk, ScalarFn fn, const LinearEnd& end = {});
/// The expert that all rows go through, of the config's `sharedHidden`: NAME.ffn_gate_shexp, ffn_up_shexp, ffn_down_shexp, or the first two
/// in ffn_gate_up_shexp. `gated`: times sigmoid(NAME.ffn_gate_inp_shexp n). Returns x + scale (others + it).
GraphRows plusSharedExpert(ModelGraph& g, const GraphRows& x, const GraphRows& others, const GraphRows& normed, const std::string& blk,
                           ScalarFn fn, bool gated);
/// Wdown fn(Wup n).
GraphRows feedForward(ModelGraph& g, const GraphRows& normed, const std::string& blk, ScalarFn fn, const LinearEnd& end = {});

/// Wo Attn(q, k, v).
GraphRows attended(ModelGraph& g, const LayerHeads& heads, int64_t layer, const std::string& blk, const LinearEnd& end = {});

/// What decoders of the plainest form differ in beside their config.
struct PlainLayers {
  ScalarFn gate = ScalarFn::Silu;
  float plus = 0;           ///< gains are those stored, and this
  bool headNorms = false;   ///< each head of q and k is normed before it is turned: NAME.attn_q_norm, attn_k_norm
  bool rowNorms = false;    ///< all of q and all of k are
  bool sharedGate = false;  ///< the shared expert of the config counts by a sigmoid
};
/// A whole decoder of layers that norm what they read, with experts where the config has them, each layer of its own sizes:
///   x = x + scale Wo Attn(rope(Wq n), rope(Wk n), Wv n),  n = RmsNorm(x)
///   x = x + scale Wdown (gate(Wgate n) * Wup n),          n = RmsNorm(x)
void plainDecoder(ModelGraph& g, const PlainLayers& layers, bool hf);

/// Logits of rows that are normed: the head is output.weight, or the table where the config, or a GGUF file by its absence, says so.
void headOf(ModelGraph& g, const GraphRows& normed, bool hf);

}  // namespace quern
