// models/arch/Blocks.h — what layers of several architectures are made of.
#pragma once

#include "models/ModelGraph.h"

#include <fmt/format.h>
#include <functional>

namespace quern {

/// q, k and v of a layer's rows: NAME.attn_q, attn_k, attn_v, or all of them in attn_qkv.
struct LayerHeads {
  GraphRows q, k, v;
};
LayerHeads headsOf(ModelGraph& g, const GraphRows& normed, const std::string& blk);

/// Each row through the experts that NAME.ffn_gate_inp scores highest: the weighted sum of their Wdown (fn(Wgate n) * Wup n):
/// NAME.ffn_gate_exps, ffn_up_exps, ffn_down_exps.
GraphRows expertFeedForward(ModelGraph& g, const GraphRows& normed, const std::string& blk, ScalarFn fn);
/// The same with another meeting of gate and up: how the product of up ends, given that of gate.
using GateEnd = std::function<LinearEnd(const GraphRows& gate)>;
GraphRows expertFeedForward(ModelGraph& g, const GraphRows& normed, const std::string& blk, const GateEnd& meet);
/// Wdown (fn(Wgate n) * Wup n): NAME.ffn_gate, ffn_up, ffn_down.
GraphRows gatedFeedForward(ModelGraph& g, const GraphRows& normed, const std::string& blk, ScalarFn fn, const LinearEnd& end = {});
/// Wdown fn(Wup n).
GraphRows feedForward(ModelGraph& g, const GraphRows& normed, const std::string& blk, ScalarFn fn, const LinearEnd& end = {});

/// Wo Attn(q, k, v).
GraphRows attended(ModelGraph& g, const LayerHeads& heads, int64_t layer, const std::string& blk, const LinearEnd& end = {});

/// Logits of rows that are normed: the head is output.weight, or the table where the config, or a GGUF file by its absence, says so.
void headOf(ModelGraph& g, const GraphRows& normed, bool hf);

}  // namespace quern
