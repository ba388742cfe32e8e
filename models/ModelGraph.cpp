// models/ModelGraph.cpp — see ModelGraph.h.
#include "models/ModelGraph.h"

#include "compiler/base/Check.h"
#include "compiler/base/Text.h"
#include "models/files/WeightValues.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

static constexpr std::string_view kComputes[] = {"exact", "fast", "tile"};

std::string_view nameOf(Compute compute) { return kComputes[static_cast<size_t>(compute)]; }

std::optional<Compute> computeNamed(std::string_view name) {
  auto found = std::find(std::begin(kComputes), std::end(kComputes), name);
  if (found == std::end(kComputes)) return std::nullopt;
  return static_cast<Compute>(found - std::begin(kComputes));
}

static Result<void> checkReadable(const Weights& weights, const Weight& weight) {
  auto good = checkConvertible(weight.type);
  if (good) return {};
  return badInput(fmt::format("{}: tensor '{}': {}", escaped(weights.label()), escapedShort(weight.stored), good.error().message));
}

Result<ElementType> kernelTypeOf(const Weights& weights, const Weight& weight) {
  if (auto type = elementTypeOf(weight.type)) return *type;
  if (auto good = checkReadable(weights, weight); !good) return good.error();
  return weight.type == TensorType::F64 ? ElementType::F32 : ElementType::Q8_0;  // all others are blocks, of a multiple of q8_0's 32
}

ModelGraph::ModelGraph(Weights& weights, const ModelConfig& config, int64_t maxRows, int64_t context, const Arithmetic& arithmetic)
    : weights_(weights),
      c_(config),
      kvType_(arithmetic.kvType),
      compute_(arithmetic.compute),
      order_(arithmetic.order),
      rows_(plan_.dimension("rows", maxRows)),
      positions_(plan_.dimension("positions", context)),
      outputs_(plan_.dimension("outputs", maxRows)),
      past_(plan_.dimension("past", context)),
      firstOutput_(plan_.dimension("first_output", maxRows)) {}

void ModelGraph::fail(Error error) {
  if (status_) status_ = std::move(error);
}

OpDesc ModelGraph::checked(OpDesc op) {
  auto good = std::visit([](const auto& o) { return o.validate(); }, op);
  if (!good) fail(badInput(fmt::format("{}: {}", escaped(weights_.label()), good.error().message)));
  return op;
}

/// Any number of rows of so many elements.
static Shape rowsOf(int64_t width) { return {Dim{Dim::kAny}, Dim{width}}; }

const Weight* ModelGraph::take(const std::string& name, std::initializer_list<int64_t> shape) {
  auto weight = weights_.take(name, std::span(shape.begin(), shape.size()));
  if (weight) return *weight;
  fail(weight.error());
  return nullptr;
}

PlanBuffer ModelGraph::floats(const std::string& name, int64_t count, float plus) {
  const Weight* weight = take(name, {count});
  if (weight != nullptr)
    if (auto good = checkReadable(weights_, *weight); !good) fail(good.error());
  PlanBuffer buffer = plan_.constant();
  list_.push_back({GraphWeight::Kind::Floats, buffer, {}, ElementType::F32, 1, {weight}, {count}, 1, plus});
  return buffer;
}

GraphRows ModelGraph::fresh(int64_t width, const GraphRows& like) {
  return {plan_.activation(width, like.dim), width, 0, width, like.dim, {}};
}

GraphRows ModelGraph::part(const GraphRows& x, int64_t column, int64_t width) {
  GraphRows out = x;
  out.column += column;
  out.width = width;
  return out;
}

PlanView ModelGraph::view(const GraphRows& x, ElementType type) { return {x.buffer, x.column, {x.stride}, x.stride, x.origin, {}, type}; }

PlanView ModelGraph::headsView(const GraphRows& x, int64_t headSize) {
  PlanView out = view(x);
  out.strides.push_back(headSize);
  return out;
}

GraphRows ModelGraph::embedding(const std::string& table) {
  const Weight* weight = take(table, {c_.vocab, c_.width});
  if (weight != nullptr)
    if (auto good = checkReadable(weights_, *weight); !good) fail(good.error());
  tables_[table] = list_.size();
  list_.push_back({GraphWeight::Kind::Table, {}, {}, ElementType::F32, 1, {weight}, {c_.vocab}, c_.width, 0});
  GraphRows out{plan_.activation(c_.width, rows_), c_.width, 0, c_.width, rows_, {}};
  PlanBuffer ids = plan_.outside(kIds);
  gathers_.push_back(
      {plan_.gather({"embedding", ids, out.buffer, rows_, c_.width, {}}), tables_[table], static_cast<float>(c_.embeddingScale), 0});
  return adaptedTable(out, table);
}

GraphRows ModelGraph::plusPositions(const GraphRows& x, const std::string& table) {
  const Weight* weight = take(table, {c_.context, c_.width});
  PlanBuffer positions = plan_.constant();
  list_.push_back({GraphWeight::Kind::Floats, positions, {}, ElementType::F32, 1, {weight}, {c_.context * c_.width}, 1, 0});
  GraphRows out = fresh(c_.width, x);
  plan_.step(
      {"position",
       checked(MapOp{
           scalarCall(ScalarFn::Add, {scalarOperand("a"), scalarOperand("b")}), {{"a", rowsOf(c_.width)}, {"b", rowsOf(c_.width)}}, ""}),
       {x.dim},
       {view(x), {positions, 0, {}, c_.width, past_, {}}, view(out)}});
  return out;
}

/// x times a number; x itself for 1.
static ScalarExprRef times(ScalarExprRef x, double scale) {
  return scale == 1 ? x : scalarCall(ScalarFn::Mul, {x, scalarNumber(static_cast<float>(scale))});
}

GraphRows ModelGraph::sum(const GraphRows& x, const GraphRows& y, double scale) {
  GraphRows out = fresh(x.width, x);
  ScalarExprRef added = scalarCall(ScalarFn::Add, {scalarOperand("a"), times(scalarOperand("b"), scale)});
  plan_.step({"sum", checked(MapOp{added, {{"a", rowsOf(x.width)}, {"b", rowsOf(x.width)}}, ""}), {x.dim}, {view(x), view(y), view(out)}});
  return out;
}

ScalarFn ModelGraph::function(const std::string& name) {
  const ScalarFnInfo* fn = findScalarFn(name);
  if (fn != nullptr && fn->arity == 1) return fn->fn;
  fail(badInput(fmt::format("{}: '{}' is no function that kernels know", escaped(weights_.label()), escaped(name))));
  return ScalarFn::Neg;
}

LinearEnd addedTo(const GraphRows& residual, double scale) {
  return {scalarCall(ScalarFn::Add, {times(scalarOperand("x"), scale), scalarOperand("residual")}), {{"residual", residual}}};
}

LinearEnd activated(ScalarFn fn) { return {scalarCall(fn, {scalarOperand("x")}), {}}; }

LinearEnd gatedBy(ScalarFn fn, const GraphRows& gate) {
  return {scalarCall(ScalarFn::Mul, {scalarCall(fn, {scalarOperand("gate")}), scalarOperand("x")}), {{"gate", gate}}};
}

/// What follows the product: with its bias, where it has one. Null: nothing does.
static ScalarExprRef epilogueOf(const LinearEnd& end, bool biased) {
  ScalarExprRef x = scalarOperand("x");
  ScalarExprRef product = biased ? scalarCall(ScalarFn::Add, {x, scalarOperand("bias")}) : x;
  if (end.ep == nullptr) return biased ? product : nullptr;
  return substituted(end.ep, "x", product);
}

bool ModelGraph::LinearParts::biased(const Weights& all) const {
  return std::any_of(names.begin(), names.end(), [&](const std::string& each) { return all.has(each + ".bias"); });
}

PlanBuffer ModelGraph::biases(const LinearParts& parts) {
  GraphWeight all{GraphWeight::Kind::Floats, plan_.constant(), {}, ElementType::F32, 1, {}, parts.widths, 1, 0};
  for (size_t i = 0; i < parts.widths.size(); ++i) {
    std::string name = parts.names[i] + ".bias";
    all.pieces.push_back(weights_.has(name) ? take(name, {parts.widths[i]}) : nullptr);
  }
  list_.push_back(all);
  return all.buffer;
}

std::optional<MatmulOp> ModelGraph::productOf(const GraphRows& x, const GraphRows& out, const LinearParts& parts, const LinearEnd& end,
                                              bool inOut) {
  const Weight& first = *parts.weights[0];
  auto type = kernelTypeOf(weights_, first);
  if (!type) return fail(type.error()), std::nullopt;
  // The blocks of a quantised weight lie along what is summed.
  if (inOut && isQuantised(*type)) {
    fail(badInput(fmt::format("{}: tensor '{}' is {} and stored [in,out]; f32, f16 or bf16 is needed", escaped(weights_.label()),
                              escapedShort(first.stored), nameOf(first.type))));
    return std::nullopt;
  }
  MatmulOp matmul;
  matmul.m = {Dim::kAny};
  matmul.n = {out.width};
  matmul.k = {x.width};
  matmul.tb = !inOut;
  matmul.constB = true;
  matmul.w = *type;
  bool bytes = compute_ == Compute::Fast && isQuantised(*type);
  bool pairs = compute_ != Compute::Exact && !bytes && (isQuantised(*type) || *type == ElementType::BF16);
  if (bytes) matmul.a = RoundedTo::Q8;
  if (pairs) matmul.a = RoundedTo::BF16, matmul.order = order_;
  matmul.ep = epilogueOf(end, parts.biased(weights_));
  // A plan that rounds has the same bits on all levels with fma, as its products have.
  matmul.commonMaths = matmul.a != RoundedTo::F32 && matmul.ep != nullptr && callsFunction(*matmul.ep);
  for (const auto& [name, rows] : end.operands)
    if (name != "residual") matmul.operandShapes.emplace_back(name, rowsOf(rows.width));
  checked(matmul);
  if (!status_) return std::nullopt;
  return matmul;
}

PlanStep ModelGraph::productStep(const MatmulOp& matmul, const std::string& name, const GraphRows& x, const GraphRows& out,
                                 const LinearEnd& end, PlanBuffer weight, PlanBuffer bias) {
  std::map<std::string, PlanView> operands;
  for (const auto& [operand, rows] : end.operands) operands[operand] = view(rows);
  operands["bias"] = {bias};
  PlanStep step{name, matmul, {x.dim}, {view(x), {weight}}};
  if (matmul.ep != nullptr)
    for (const std::string& operand : operandsOf(*matmul.ep))
      if (auto found = operands.find(operand); found != operands.end()) step.operands.push_back(found->second);
  step.operands.push_back(view(out));
  return step;
}

void ModelGraph::linearStep(const GraphRows& x, const GraphRows& out, const LinearParts& parts, const LinearEnd& given, bool inOut) {
  LinearEnd end = adapted(x, parts, given);
  auto matmul = productOf(x, out, parts, end, inOut);
  if (!matmul) return;
  PlanBuffer bias = parts.biased(weights_) ? biases(parts) : PlanBuffer{};
  GraphWeight weight{GraphWeight::Kind::Packed, plan_.constant(), *matmul, matmul->w, 1, parts.weights, parts.widths, x.width, 0};
  plan_.step(productStep(*matmul, parts.weights[0]->stored, x, out, end, weight.buffer, bias));
  list_.push_back(std::move(weight));
}

GraphRows ModelGraph::linear(const GraphRows& x, const std::vector<std::pair<std::string, int64_t>>& parts, const LinearEnd& end,
                             bool inOut) {
  LinearParts all;
  int64_t width = 0;
  bool alike = true;
  for (const auto& [name, columns] : parts) {
    const Weight* weight = inOut ? take(name + ".weight", {x.width, columns}) : take(name + ".weight", {columns, x.width});
    if (weight == nullptr) return fresh(1, x);
    all.weights.push_back(weight);
    all.names.push_back(name);
    all.widths.push_back(columns);
    width += columns;
    alike = alike && weight->type == all.weights[0]->type;
  }
  GraphRows out = fresh(width, x);
  if (alike) {
    linearStep(x, out, all, end, inOut);
    return out;
  }
  int64_t column = 0;
  for (size_t i = 0; i < parts.size(); ++i) {  // types of their own: products of their own
    linearStep(x, part(out, column, all.widths[i]), {{all.weights[i]}, {all.names[i]}, {all.widths[i]}}, end, inOut);
    column += all.widths[i];
  }
  return out;
}

PlanView ModelGraph::anglesOf(bool local) {
  std::optional<size_t>& at = local ? localAt_ : ropeAt_;
  if (!at) {
    at = angles_.size();
    const RopeConfig& rope = local ? c_.localRope : c_.rope;
    std::vector<float> factors = local ? std::vector<float>() : factors_;
    if (factors.empty() && rope.scaling == RopeConfig::Scaling::Long) factors = longContext() ? rope.longFactors : rope.shortFactors;
    angles_.push_back({plan_.constant(), rope, factors});
  }
  return {angles_[*at].buffer, 0, {}, c_.turnedDim(), past_, {}};
}

GraphRows ModelGraph::attention(const GraphRows& q, const GraphRows& k, const GraphRows& v, int64_t layer, const std::string& sinks) {
  LayerConfig own = c_.layer(layer);
  int64_t heads = own.heads, keyHeads = own.kvHeads, size = c_.headDim(), row = keyHeads * size;
  GraphRows query = q;
  int64_t window = own.window < context() ? own.window : 0;
  auto cache = [&] {
    return window == 0 ? plan_.persistent(row, positions_, kvType_) : plan_.ring(row, positions_, kvType_, window, plan_.most(rows_));
  };
  PlanBuffer keys = cache(), values = cache();
  PlanView keysNow{keys, 0, {row, size}, row, past_, {}, kvType_}, valuesNow{values, 0, {row}, row, past_, {}, kvType_};
  if (c_.rotary && own.turned) {
    PlanView angles = anglesOf(own.local);
    auto rope = [&](int64_t count, ElementType to) {
      return checked(RopeOp{{Dim{Dim::kAny}, Dim{count}, Dim{size}}, c_.rope.pairs, to, c_.turnedDim() == size ? 0 : c_.turnedDim()});
    };
    query = fresh(heads * size, q);
    plan_.step({"rope.q", rope(heads, ElementType::F32), {q.dim}, {headsView(q, size), angles, headsView(query, size)}});
    plan_.step({"rope.k", rope(keyHeads, kvType_), {k.dim}, {headsView(k, size), angles, keysNow}});
  } else {
    keysNow.strides = {row};
    plan_.step({"keys", checked(CastOp{rowsOf(row), ElementType::F32, kvType_}), {k.dim}, {view(k), keysNow}});
  }
  plan_.step({"values", checked(CastOp{rowsOf(row), ElementType::F32, kvType_}), {v.dim}, {view(v), valuesNow}});
  GraphRows out = fresh(heads * size, q);
  Dim any{Dim::kAny};
  AttentionOp attention{Dim{heads}, Dim{keyHeads}, Dim{size}, any, any, kvType_, Causal::LastRowSeesAll};
  attention.scale = static_cast<float>(c_.attentionScale);
  attention.softcap = static_cast<float>(c_.scoreCap);
  attention.window = window;
  attention.sinks = !sinks.empty();
  bool plain = attention.softcap == 0 && attention.window == 0 && !attention.sinks;
  if (compute_ != Compute::Exact && kvType_ == ElementType::BF16 && plain) attention.a = RoundedTo::BF16, attention.order = order_;
  PlanStep step{"attention",
                checked(attention),
                {q.dim, positions_},
                {headsView(query, size),
                 {keys, 0, {row, size}, row, {}, positions_, kvType_},
                 {values, 0, {row, size}, row, {}, positions_, kvType_}}};
  if (attention.sinks) step.operands.push_back({floats(sinks, heads)});
  step.operands.push_back(headsView(out, size));
  plan_.step(std::move(step));
  return out;
}

void ModelGraph::split(const std::string& name, const std::vector<std::pair<std::string, int64_t>>& parts) {
  for (const char* kind : {".weight", ".bias"}) {
    if (!weights_.has(name + kind)) continue;
    std::vector<std::pair<std::string, int64_t>> named;
    for (const auto& [part, rows] : parts) named.emplace_back(part + kind, rows);
    if (auto good = weights_.split(name + kind, named); !good) fail(good.error());
  }
}

void ModelGraph::scaleFrequencies(const std::string& name) {
  int64_t pairs = c_.turnedDim() / 2;
  const Weight* weight = take(name, {pairs});
  if (weight == nullptr) return;
  if (auto good = checkReadable(weights_, *weight); !good) return fail(good.error());
  factors_.resize(static_cast<size_t>(pairs));
  if (auto good = toFloats(weight->type, weight->data, pairs, factors_.data()); !good) return fail(good.error());
  for (float factor : factors_)
    if (!(factor > 0))
      return fail(badInput(fmt::format("{}: tensor '{}' holds {}; factors above 0 are needed", escaped(weights_.label()),
                                       escapedShort(weight->stored), factor)));
}

GraphRows ModelGraph::outputs(const GraphRows& x) {
  GraphRows out = x;
  out.dim = outputs_;
  out.origin = firstOutput_;
  return out;
}

void ModelGraph::logits(const GraphRows& x, const std::string& head) {
  GraphRows out{plan_.outside(kLogits), c_.vocab, 0, c_.vocab, x.dim, {}};
  const Weight* weight = take(head, {c_.vocab, x.width});
  if (weight == nullptr) return;
  ScalarExprRef scaled = times(scalarOperand("x"), c_.logitScale);
  auto cap = static_cast<float>(c_.logitCap);
  if (cap != 0)
    scaled = scalarCall(ScalarFn::Mul,
                        {scalarCall(ScalarFn::Tanh, {scalarCall(ScalarFn::Mul, {scaled, scalarNumber(1 / cap)})}), scalarNumber(cap)});
  bool asIs = c_.logitScale == 1 && cap == 0;
  linearStep(x, out, {{weight}, {"output"}, {c_.vocab}}, asIs ? LinearEnd{} : LinearEnd{scaled, {}}, false);
  // One copy of a tied table: its rows are read out of the packed head.
  if (auto table = tables_.find(head); table != tables_.end() && status_)
    for (GraphGather& gather : gathers_)
      if (gather.weight == table->second) gather.weight = list_.size() - 1;
}

void ModelGraph::handOnRounded() {
  plan_.handOnRounded();
  std::map<int, OpDesc> ops;  // by the constant that they read
  for (const PlanStep* step : plan_.kernelSteps()) {
    for (const PlanView& view : step->operands) ops.insert_or_assign(view.buffer.index, step->op);
    for (const PlanChoice& choice : step->choices)
      for (PlanBuffer buffer : choice.buffers) ops.insert_or_assign(buffer.index, step->op);
  }
  for (GraphWeight& weight : list_)
    if (weight.kind == GraphWeight::Kind::Packed) weight.op = ops.at(weight.buffer.index);
}

}  // namespace quern
