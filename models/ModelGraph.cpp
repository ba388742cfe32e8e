// models/ModelGraph.cpp — see ModelGraph.h.
#include "models/ModelGraph.h"

#include "compiler/base/Check.h"
#include "compiler/base/Text.h"
#include "models/files/WeightValues.h"

#include <fmt/format.h>

namespace quern {

Result<ElementType> kernelTypeOf(const Weights& weights, const Weight& weight, int64_t rowLength) {
  switch (weight.type) {
    case TensorType::F32: return ElementType::F32;
    case TensorType::F16: return ElementType::F16;
    case TensorType::BF16: return ElementType::BF16;
    case TensorType::Q8_0: return ElementType::Q8_0;
    case TensorType::Q4_0: return ElementType::Q4_0;
    case TensorType::Q4_K: return ElementType::Q4_K;
    case TensorType::Q6_K: return ElementType::Q6_K;
    default: break;
  }
  if (auto good = checkConvertible(weight.type); !good) return badInput(fmt::format("{}: tensor '{}': {}", escaped(weights.label()), escaped(weight.stored), good.error().message));
  bool blocks = infoOf(weight.type).blockElements > 1 && rowLength % formatOf(ElementType::Q8_0).block == 0;
  return blocks ? ElementType::Q8_0 : ElementType::F16;
}

ModelGraph::ModelGraph(Weights& weights, const ModelConfig& config, int64_t maxRows, int64_t context, ElementType kvType)
    : weights_(weights), c_(config), kvType_(kvType), plan_(maxRows, context) {}

void ModelGraph::fail(Error error) {
  if (status_) status_ = std::move(error);
}

OpDesc ModelGraph::op(const std::string& given) {
  auto parsed = parseOp(given);
  if (parsed) return *parsed;
  fail(badInput(fmt::format("{}: {}", escaped(weights_.label()), parsed.error().message)));
  return {};
}

const Weight* ModelGraph::take(const std::string& name, std::initializer_list<int64_t> shape) {
  auto weight = weights_.take(name, std::span(shape.begin(), shape.size()));
  if (weight) return *weight;
  fail(weight.error());
  return nullptr;
}

PlanBuffer ModelGraph::floats(const std::string& name, int64_t count) {
  const Weight* weight = take(name, {count});
  PlanBuffer buffer = plan_.constant();
  list_.push_back({GraphWeight::Kind::Floats, buffer, {}, ElementType::F32, {weight}, {count}, 1});
  return buffer;
}

GraphRows ModelGraph::fresh(int64_t width, const GraphRows& like) { return {plan_.activation(width), width, 0, width, like.dim, PlanOrigin::First}; }

GraphRows ModelGraph::part(const GraphRows& x, int64_t column, int64_t width) {
  GraphRows out = x;
  out.column += column;
  out.width = width;
  return out;
}

PlanView ModelGraph::view(const GraphRows& x, ElementType type) { return {x.buffer, x.column, {x.stride}, x.stride, x.origin, type}; }

PlanView ModelGraph::headsView(const GraphRows& x) const {
  PlanView out = view(x);
  out.strides.push_back(c_.headDim());
  return out;
}

GraphRows ModelGraph::embedding(const std::string& table) {
  const Weight* weight = take(table, {c_.vocab, c_.width});
  tables_[table] = list_.size();
  list_.push_back({GraphWeight::Kind::Table, {}, {}, ElementType::F32, {weight}, {c_.vocab}, c_.width});
  GraphRows out{plan_.activation(c_.width), c_.width, 0, c_.width};
  PlanBuffer ids = plan_.outside(kIds);
  gathers_.push_back({plan_.gather({"embedding", ids, out.buffer, c_.width, {}}), tables_[table]});
  return out;
}

GraphRows ModelGraph::plusPositions(const GraphRows& x, const std::string& table) {
  const Weight* weight = take(table, {c_.context, c_.width});
  PlanBuffer positions = plan_.constant();
  list_.push_back({GraphWeight::Kind::Floats, positions, {}, ElementType::F32, {weight}, {c_.context * c_.width}, 1});
  GraphRows out = fresh(c_.width, x);
  plan_.step({"position", op(fmt::format("add a=*x{} b=*x{}", c_.width, c_.width)), {x.dim}, {view(x), {positions, 0, {}, c_.width, PlanOrigin::Past}, view(out)}});
  return out;
}

GraphRows ModelGraph::rmsNorm(const GraphRows& x, const std::string& gain) {
  GraphRows out = fresh(x.width, x);
  PlanBuffer gains = floats(gain, x.width);
  plan_.step({gain, op(fmt::format("rmsnorm x=*x{} eps={}", x.width, shortest(c_.eps))), {x.dim}, {view(x), {gains}, view(out)}});
  return out;
}

GraphRows ModelGraph::layerNorm(const GraphRows& x, const std::string& gain, const std::string& bias) {
  GraphRows out = fresh(x.width, x);
  PlanBuffer gains = floats(gain, x.width), biases = floats(bias, x.width);
  plan_.step({gain, op(fmt::format("layernorm x=*x{} eps={}", x.width, shortest(c_.eps))), {x.dim}, {view(x), {gains}, {biases}, view(out)}});
  return out;
}

size_t ModelGraph::packed(const std::string& given, std::vector<const Weight*> pieces, std::vector<int64_t> columns, int64_t depth) {
  GraphWeight weight{GraphWeight::Kind::Packed, plan_.constant(), op(given), ElementType::F32, std::move(pieces), std::move(columns), depth};
  if (const auto* matmul = std::get_if<MatmulOp>(&weight.op)) weight.type = matmul->w;
  list_.push_back(std::move(weight));
  return list_.size() - 1;
}

void ModelGraph::linearStep(const std::string& name, const GraphRows& x, const GraphRows& out, std::vector<const Weight*> pieces, const std::vector<std::string>& biases,
                            const std::vector<int64_t>& widths, const LinearEnd& end, bool inOut) {
  auto type = kernelTypeOf(weights_, *pieces[0], inOut ? out.width : x.width);
  if (!type) return fail(type.error());
  // The blocks of a quantised weight lie along what is summed.
  if (inOut && isQuantised(*type)) return fail(badInput(fmt::format("{}: tensor '{}' is {} and stored [in,out]; f32, f16 or bf16 is needed", escaped(weights_.label()), escaped(pieces[0]->stored), nameOf(pieces[0]->type))));
  bool biased = std::any_of(biases.begin(), biases.end(), [&](const std::string& each) { return weights_.has(each); });
  std::string ep = end.ep.empty() && biased ? "x + bias" : end.ep;
  if (!biased)  // an epilogue is written with its bias
    if (size_t at = ep.find("x + bias"); at != std::string::npos) ep.replace(at, 8, "x");
  if (ep == "x") ep.clear();
  std::string given = fmt::format("matmul m=* n={} k={}{} const=b", out.width, x.width, inOut ? "" : " tb=1");
  if (*type != ElementType::F32) given += fmt::format(" w={}", text(*type));
  if (!ep.empty()) given += fmt::format(" ep=\"{}\"", ep);
  std::vector<std::pair<std::string, PlanView>> known;
  for (const auto& [operand, rows] : end.operands) {
    known.emplace_back(operand, view(rows));
    if (operand != "residual" && ep.find(operand) != std::string::npos) given += fmt::format(" {}=*x{}", operand, rows.width);
  }
  size_t weight = packed(given, std::move(pieces), widths, x.width);
  if (biased) {
    PlanBuffer bias = plan_.constant();
    GraphWeight all{GraphWeight::Kind::Floats, bias, {}, ElementType::F32, {}, widths, 1};
    for (size_t i = 0; i < widths.size(); ++i) all.pieces.push_back(weights_.has(biases[i]) ? take(biases[i], {widths[i]}) : nullptr);
    list_.push_back(std::move(all));
    known.emplace_back("bias", PlanView{bias});
  }
  PlanStep step{name, list_[weight].op, {x.dim}, {view(x), {list_[weight].buffer}}};
  const auto* matmul = std::get_if<MatmulOp>(&step.op);
  if (!status_ || matmul == nullptr) return;
  if (matmul->ep != nullptr)
    for (const std::string& operand : operandsOf(*matmul->ep))
      for (const auto& [has, operandView] : known)
        if (has == operand) step.operands.push_back(operandView);
  step.operands.push_back(view(out));
  plan_.step(std::move(step));
}

GraphRows ModelGraph::linear(const GraphRows& x, const std::vector<std::pair<std::string, int64_t>>& parts, const LinearEnd& end, bool inOut) {
  std::vector<const Weight*> pieces;
  std::vector<std::string> biases;
  std::vector<int64_t> widths;
  int64_t width = 0;
  bool alike = true;
  for (const auto& [name, columns] : parts) {
    const Weight* weight = inOut ? take(name + ".weight", {x.width, columns}) : take(name + ".weight", {columns, x.width});
    if (weight == nullptr) return fresh(1, x);
    pieces.push_back(weight);
    biases.push_back(name + ".bias");
    widths.push_back(columns);
    width += columns;
    alike = alike && weight->type == pieces[0]->type;
  }
  GraphRows out = fresh(width, x);
  if (alike) {
    linearStep(parts[0].first, x, out, pieces, biases, widths, end, inOut);
    return out;
  }
  int64_t column = 0;
  for (size_t i = 0; i < parts.size(); ++i) {  // types of their own: products of their own
    linearStep(parts[i].first, x, part(out, column, widths[i]), {pieces[i]}, {biases[i]}, {widths[i]}, end, inOut);
    column += widths[i];
  }
  return out;
}

GraphRows ModelGraph::attention(const GraphRows& q, const GraphRows& k, const GraphRows& v, bool rotate) {
  int64_t heads = c_.heads, keyHeads = c_.keyHeads(), size = c_.headDim(), row = keyHeads * size;
  GraphRows query = q;
  PlanBuffer keys = plan_.perPosition(row, kvType_), values = plan_.perPosition(row, kvType_);
  std::string to = kvType_ == ElementType::F32 ? "" : fmt::format(" to={}", text(kvType_));
  PlanView keysNow{keys, 0, {row, size}, row, PlanOrigin::Past, kvType_}, valuesNow{values, 0, {row}, row, PlanOrigin::Past, kvType_};
  if (rotate) {
    if (!rotates_) angles_ = plan_.constant();
    rotates_ = true;
    const char* pairs = c_.rope.pairs == RopePairs::Adjacent ? "adjacent" : "half";
    PlanView angles{angles_, 0, {}, size, PlanOrigin::Past};
    query = fresh(heads * size, q);
    plan_.step({"rope.q", op(fmt::format("rope x=*x{}x{} pairs={}", heads, size, pairs)), {q.dim}, {headsView(q), angles, headsView(query)}});
    plan_.step({"rope.k", op(fmt::format("rope x=*x{}x{} pairs={}{}", keyHeads, size, pairs, to)), {k.dim}, {headsView(k), angles, keysNow}});
  } else {
    keysNow.strides = {row};
    plan_.step({"keys", op(fmt::format("cast x=*x{}{}", row, to)), {k.dim}, {view(k), keysNow}});
  }
  plan_.step({"values", op(fmt::format("cast x=*x{}{}", row, to)), {v.dim}, {view(v), valuesNow}});
  GraphRows out = fresh(heads * size, q);
  std::string kind = kvType_ == ElementType::F32 ? "" : fmt::format(" kv_type={}", text(kvType_));
  plan_.step({"attention", op(fmt::format("attention heads={} kv_heads={} head_dim={} q=* kv=* causal=1{}", heads, keyHeads, size, kind)), {q.dim, PlanDim::Positions},
              {headsView(query), {keys, 0, {row, size}, row, PlanOrigin::First, kvType_}, {values, 0, {row, size}, row, PlanOrigin::First, kvType_}, headsView(out)}});
  return out;
}

void ModelGraph::scaleFrequencies(const std::string& name) {
  int64_t pairs = c_.headDim() / 2;
  const Weight* weight = take(name, {pairs});
  if (weight == nullptr) return;
  factors_.resize(static_cast<size_t>(pairs));
  if (auto good = toFloats(weight->type, weight->data, pairs, factors_.data()); !good) return fail(good.error());
  for (float factor : factors_)
    if (!(factor > 0)) return fail(badInput(fmt::format("{}: tensor '{}' holds {}; factors above 0 are needed", escaped(weights_.label()), escaped(weight->stored), factor)));
}

GraphRows ModelGraph::outputs(const GraphRows& x) {
  GraphRows out = x;
  out.dim = PlanDim::Outputs;
  out.origin = PlanOrigin::Outputs;
  return out;
}

void ModelGraph::logits(const GraphRows& x, const std::string& head) {
  GraphRows out{plan_.outside(kLogits), c_.vocab, 0, c_.vocab, x.dim, PlanOrigin::First};
  const Weight* weight = take(head, {c_.vocab, x.width});
  if (weight == nullptr) return;
  size_t before = list_.size();
  linearStep("logits", x, out, {weight}, {""}, {c_.vocab}, {}, false);
  // One copy of a tied table: its rows are read out of the packed head.
  if (auto table = tables_.find(head); table != tables_.end() && status_)
    for (GraphGather& gather : gathers_)
      if (gather.weight == table->second) gather.weight = before;
}

}  // namespace quern
