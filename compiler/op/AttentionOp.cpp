// compiler/op/AttentionOp.cpp — see AttentionOp.h.
#include "compiler/op/AttentionOp.h"

#include "compiler/base/Text.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace quern {

OpDoc AttentionOp::doc() {
  return {
      "heads= kv_heads= head_dim= q= kv= [causal=1|topleft] [scale=] [kv_type=f32|f16|bf16|q8_0] [a=f32|bf16] "
      "[order=tile32|pairs]",
      "softmax(scale Q K^T) V by heads; Q [q,heads,head_dim], K and V [kv,kv_heads,head_dim]; a: what Q and the softmax are rounded to "
      "before they are multiplied",
      "Q, K, V"};
}

AttentionOp AttentionOp::read(KeyReader& reader) {
  AttentionOp op;
  op.heads = takeDim(reader, "heads");
  op.kvHeads = takeDim(reader, "kv_heads", op.heads);
  op.headDim = takeDim(reader, "head_dim");
  op.q = takeDim(reader, "q");
  op.kv = takeDim(reader, "kv");
  op.causal = takeCausal(reader);
  op.scale = takeScale(reader);
  op.kvType = takeKeptType(reader, "kv_type");
  op.a = static_cast<RoundedTo>(reader.takeChoice("a", {"f32", "bf16"}));
  op.order = takePairOrder(reader, op.a);
  return op;
}

void AttentionOp::fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes) {
  if (shapes.size() < 2 || shapes[0].size() != 3 || shapes[1].size() != 3) return;
  const std::pair<const char*, int64_t> found[] = {
      {"heads", shapes[0][1]}, {"kv_heads", shapes[1][1]}, {"head_dim", shapes[0][2]}, {"q", shapes[0][0]}, {"kv", shapes[1][0]}};
  for (const auto& [key, value] : found)
    if (keys.find(key) == nullptr) keys.set(key, std::to_string(value));
}

KeyValues AttentionOp::write() const {
  KeyValues out{std::string(kName), {}};
  out.set("heads", text(heads));
  out.set("kv_heads", text(kvHeads));
  out.set("head_dim", text(headDim));
  out.set("q", text(q));
  out.set("kv", text(kv));
  if (causal != Causal::No) out.set("causal", std::string(causalText(causal)));
  if (scale != 0) out.set("scale", shortest(scale));
  if (kvType != ElementType::F32) out.set("kv_type", std::string(text(kvType)));
  if (a == RoundedTo::BF16) setPairOrder(out, order);
  return out;
}

Result<void> AttentionOp::validate() const {
  for (auto [key, dim] : {std::pair{"heads", heads}, {"kv_heads", kvHeads}, {"head_dim", headDim}})
    if (dim.any() || dim.value < 1) return badCommand(fmt::format("attention: {}={} must be known and at least 1", key, text(dim)));
  if (heads.value % kvHeads.value != 0)
    return badCommand(fmt::format("attention: heads={} is not a multiple of kv_heads={}", heads.value, kvHeads.value));
  if (a == RoundedTo::BF16 && kvType != ElementType::BF16)
    return badCommand(fmt::format("attention: a=bf16 with kv_type={}; it goes with kv_type=bf16", text(kvType)));
  if (auto good = checkBlocks("attention", fmt::format("head_dim={}", headDim.value), "kv_type", kvType, headDim); !good) return good;
  if (auto good = checkShape("attention: Q", {q, heads, headDim}); !good) return good;
  return checkShape("attention: K", {kv, kvHeads, headDim});
}

std::vector<TensorSpec> AttentionOp::inputs() const {
  TensorDim width{"head_dim", headDim.value};
  std::vector<TensorDim> query = {{"q", q.value}, {"heads", heads.value}, width};
  std::vector<TensorDim> cache = {{"kv", kv.value}, {"kv_heads", kvHeads.value}, width};
  return {{"Q", ElementType::F32, query, false}, {"K", kvType, cache, false}, {"V", kvType, cache, false}};
}

TensorSpec AttentionOp::output() const {
  TensorSpec out = inputs()[0];
  out.name = "out";
  return out;
}

AttentionOp AttentionOp::fixed(const DimValues& values) const {
  AttentionOp op = *this;
  op.q = fixedDim(q, "q", values);
  op.kv = fixedDim(kv, "kv", values);
  return op;
}

double AttentionOp::flops() const {
  double pairs = 0;
  for (int64_t i = 0; i < q.value; ++i) {
    int64_t limit = causal == Causal::No ? kv.value : i + 1 + (causal == Causal::TopLeft ? 0 : kv.value - q.value);
    pairs += static_cast<double>(std::clamp<int64_t>(limit, 0, kv.value));
  }
  return pairs * static_cast<double>(heads.value) * (4.0 * static_cast<double>(headDim.value) + 5.0);
}

float AttentionOp::factor() const { return scale != 0 ? scale : static_cast<float>(1.0 / std::sqrt(static_cast<double>(headDim.value))); }

AttentionOp AttentionOp::withRuntimeDims() const {
  AttentionOp op = *this;
  op.q = op.kv = {Dim::kAny};
  return op;
}

}  // namespace quern
