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
      "[order=tile32|pairs] [batch=] [v_dim=] [softcap=] [mask=*x*] [lens=1] [window=] [sinks=1]",
      "softmax(scale Q K^T) V by heads; Q [q,heads,head_dim], K and V [kv,kv_heads,head_dim], batch in front; a: what Q and the softmax "
      "are "
      "rounded to before they are multiplied; v_dim: the width of V; softcap: scores s become c tanh(s / c); mask: is added to them then, "
      "and broadcasts to [batch,heads,q,kv]; lens: of each of the batch only so many keys count; window: of the keys that a row sees only "
      "the last so many; "
      "sinks: a score of each head that takes part in the softmax and has no value",
      "Q, K, V, mask if said, lens (i32 [batch]) if lens=1, sinks ([heads]) if sinks=1"};
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
  op.batched = reader.has("batch");
  op.batch = takeDim(reader, "batch", Dim{1});
  op.vDim = takeDim(reader, "v_dim", Dim{0});
  if (reader.has("v_dim") && op.vDim == Dim{0}) reader.fail("v_dim=0 must be known and at least 1");
  op.softcap = takeScale(reader, "softcap");
  if (reader.has("mask")) op.mask = takeShape(reader, "mask");
  else reader.take("mask");
  op.lens = reader.takeFlag("lens");
  Dim window = takeDim(reader, "window", Dim{0});
  if (reader.has("window") && (window.any() || window.value < 1))
    reader.fail(fmt::format("window={} must be known and at least 1", text(window)));
  op.window = window.value;
  op.sinks = reader.takeFlag("sinks");
  return op;
}

/// The mask's shape, or that there are lengths, from the arrays behind V; axes that are known only at call time stay so.
static void fillMore(KeyValues& keys, std::span<const std::vector<int64_t>> more) {
  constexpr const char* kAxes[] = {"batch", "heads", "q", "kv"};
  for (const std::vector<int64_t>& array : more) {
    if (array.size() == 1 && keys.find("lens") == nullptr) keys.set("lens", "1");
    if (array.size() < 2 || array.size() > 4 || keys.find("mask") != nullptr) continue;
    Shape mask;
    for (size_t i = 0; i < array.size(); ++i) {
      const std::string* said = keys.find(kAxes[4 - array.size() + i]);
      bool open = said != nullptr && (*said == "*" || *said == "any") && array[i] != 1;
      mask.push_back({open ? Dim::kAny : array[i]});
    }
    keys.set("mask", text(mask));
  }
}

void AttentionOp::fillFromShapes(KeyValues& keys, std::span<const std::vector<int64_t>> shapes) {
  if (shapes.size() < 2) return;
  const std::vector<int64_t>&query = shapes[0], &cache = shapes[1];
  size_t rank = query.size();
  if (rank < 3 || rank > 4 || cache.size() != rank) return;
  auto fill = [&](const char* key, int64_t value) {
    if (keys.find(key) == nullptr) keys.set(key, std::to_string(value));
  };
  fill("heads", query[rank - 2]);
  fill("kv_heads", cache[rank - 2]);
  fill("head_dim", query[rank - 1]);
  fill("q", query[rank - 3]);
  fill("kv", cache[rank - 3]);
  if (rank == 4) fill("batch", query[0]);
  if (shapes.size() > 2 && shapes[2].size() == rank && shapes[2].back() != query.back()) fill("v_dim", shapes[2].back());
  if (shapes.size() > 3) fillMore(keys, shapes.subspan(3));
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
  if (batched) out.set("batch", text(batch));
  if (valueDim() != headDim.value) out.set("v_dim", std::to_string(valueDim()));
  if (softcap != 0) out.set("softcap", shortest(softcap));
  if (!mask.empty()) out.set("mask", text(mask));
  if (lens) out.set("lens", "1");
  if (window != 0) out.set("window", std::to_string(window));
  if (sinks) out.set("sinks", "1");
  return out;
}

/// What came to be said beside the products.
static Result<void> checkMore(const AttentionOp& op) {
  const std::pair<const char*, bool> said[] = {{"batch", op.batched},
                                               {"v_dim", op.valueDim() != op.headDim.value},
                                               {"softcap", op.softcap != 0},
                                               {"mask", !op.mask.empty()},
                                               {"lens", op.lens},
                                               {"window", op.window != 0},
                                               {"sinks", op.sinks}};
  for (const auto& [key, given] : said)
    if (given && op.a == RoundedTo::BF16) return badCommand(fmt::format("attention: a=bf16 with {}=; that goes with a=f32", key));
  if (op.window != 0 && op.causal == Causal::No)
    return badCommand(fmt::format("attention: window={} without causal=; it goes with causal=1 or topleft", op.window));
  if (op.lens && !op.batched) return badCommand("attention: lens=1 without batch=; lens has a length for each of a batch, batch=1 for one");
  if (op.mask.empty()) return {};
  const Dim full[] = {op.batch, op.heads, op.q, op.kv};
  size_t rank = op.mask.size(), most = op.batched ? 4 : 3;
  bool fits = rank >= 2 && rank <= most;
  for (size_t i = 0; fits && i < rank; ++i) fits = op.mask[i] == Dim{1} || op.mask[i] == full[4 - rank + i];
  if (fits) return {};
  Shape needed(full + 4 - most, full + 4);
  return badCommand(fmt::format("attention: mask={} does not broadcast to {}, the scores; two to {} axes are needed, each 1 or as there",
                                text(op.mask), text(needed), most));
}

Result<void> AttentionOp::validate() const {
  for (auto [key, dim] :
       {std::pair{"heads", heads}, {"kv_heads", kvHeads}, {"head_dim", headDim}, {"v_dim", vDim == Dim{0} ? headDim : vDim}})
    if (dim.any() || dim.value < 1) return badCommand(fmt::format("attention: {}={} must be known and at least 1", key, text(dim)));
  if (heads.value % kvHeads.value != 0)
    return badCommand(fmt::format("attention: heads={} is not a multiple of kv_heads={}", heads.value, kvHeads.value));
  if (a == RoundedTo::BF16 && kvType != ElementType::BF16)
    return badCommand(fmt::format("attention: a=bf16 with kv_type={}; it goes with kv_type=bf16", text(kvType)));
  if (auto good = checkBlocks("attention", fmt::format("head_dim={}", headDim.value), "kv_type", kvType, headDim); !good) return good;
  if (auto good = checkBlocks("attention", fmt::format("v_dim={}", valueDim()), "kv_type", kvType, {valueDim()}); !good) return good;
  if (auto good = checkMore(*this); !good) return good;
  for (const auto& [what, tokens, rows, width] : {std::tuple{"Q", q, heads, headDim.value},
                                                  {"out", q, heads, valueDim()},
                                                  {"K", kv, kvHeads, headDim.value},
                                                  {"V", kv, kvHeads, valueDim()}}) {
    Shape shape = {tokens, rows, {width}};
    if (batched) shape.insert(shape.begin(), batch);
    if (auto good = checkShape(fmt::format("attention: {}", what), shape); !good) return good;
  }
  return {};
}

std::vector<TensorSpec> AttentionOp::inputs() const {
  std::vector<TensorSpec> specs = {tensor("Q", q, heads, headDim.value), tensor("K", kv, kvHeads, headDim.value),
                                   tensor("V", kv, kvHeads, valueDim())};
  specs[1].type = specs[2].type = kvType;
  if (!mask.empty()) {
    const TensorDim full[] = {{"batch", batch.value}, {"heads", heads.value}, {"q", q.value}, {"kv", kv.value}};
    specs.push_back({"mask", ElementType::F32, {}, false});
    for (size_t i = 0; i < mask.size(); ++i)
      specs.back().dims.push_back(mask[i] == Dim{1} ? TensorDim{"one", 1} : full[4 - mask.size() + i]);
  }
  if (lens) specs.push_back({"lens", ElementType::I32, {{"batch", batch.value}}, false, {0, kv.value + 1}});
  if (sinks) specs.push_back({"sinks", ElementType::F32, {{"heads", heads.value}}, false});
  return specs;
}

TensorSpec AttentionOp::tensor(std::string name, Dim tokens, Dim rows, int64_t width) const {
  bool keys = name == "K" || name == "V";
  TensorSpec spec{std::move(name), ElementType::F32, {{keys ? "kv" : "q", tokens.value}, {keys ? "kv_heads" : "heads", rows.value}}, false};
  spec.dims.push_back({valueDim() == width && width != headDim.value ? "v_dim" : "head_dim", width});
  if (batched) spec.dims.insert(spec.dims.begin(), {"batch", batch.value});
  return spec;
}

TensorSpec AttentionOp::output() const { return tensor("out", q, heads, valueDim()); }

AttentionOp AttentionOp::fixed(const DimValues& values) const {
  AttentionOp op = *this;
  op.q = fixedDim(q, "q", values);
  op.kv = fixedDim(kv, "kv", values);
  op.batch = fixedDim(batch, "batch", values);
  const Dim full[] = {op.batch, op.heads, op.q, op.kv};
  for (size_t i = 0; i < mask.size(); ++i)
    if (mask[i].any()) op.mask[i] = full[4 - mask.size() + i];
  return op;
}

double AttentionOp::flops() const {
  double pairs = 0;
  for (int64_t i = 0; i < q.value; ++i) {
    int64_t limit = causal == Causal::No ? kv.value : i + 1 + (causal == Causal::TopLeft ? 0 : kv.value - q.value);
    int64_t first = window == 0 ? 0 : std::max<int64_t>(0, limit - window);
    pairs += static_cast<double>(std::max<int64_t>(0, std::clamp<int64_t>(limit, 0, kv.value) - first));
  }
  double each = 2.0 * static_cast<double>(headDim.value + valueDim()) + 5.0 + (softcap != 0 ? 3 : 0) + (mask.empty() ? 0 : 1);
  return pairs * static_cast<double>(batch.value * heads.value) * each;
}

float AttentionOp::factor() const { return scale != 0 ? scale : static_cast<float>(1.0 / std::sqrt(static_cast<double>(headDim.value))); }

AttentionOp AttentionOp::withRuntimeDims() const {
  AttentionOp op = *this;
  op.q = op.kv = {Dim::kAny};
  for (size_t i = 0; i < mask.size(); ++i)
    if (i + 2 >= mask.size() && mask[i] != Dim{1}) op.mask[i] = {Dim::kAny};
  return op;
}

}  // namespace quern
