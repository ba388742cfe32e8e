// models/ModelEncoder.cpp — ModelGraph's part of encoders: rows of many texts side by side, each text attended by itself.
#include "models/ModelGraph.h"

namespace quern {

GraphRows ModelGraph::layerNormOfSum(const GraphRows& x, const GraphRows& y, const std::string& gain, const std::string& bias) {
  GraphRows out = fresh(x.width, x);
  PlanBuffer gains = floats(gain, x.width), biases = floats(bias, x.width);
  LayerNormOp norm{{{Dim{Dim::kAny}, Dim{x.width}}, c_.eps}};
  norm.shape.residual = true;
  plan_.step({gain, checked(norm), {x.dim}, {view(x), view(y), {gains}, {biases}, view(out)}});
  return out;
}

GraphRows ModelGraph::textAttention(const GraphRows& q, const GraphRows& k, const GraphRows& v) {
  int64_t size = c_.headDim();
  if (texts_.index < 0) texts_ = plan_.groups(plan_.most(rows_));
  GraphRows out = fresh(c_.heads * size, q);
  Dim any{Dim::kAny};
  AttentionOp attention{Dim{c_.heads}, Dim{c_.keyHeads()}, Dim{size}, any, any, ElementType::F32, Causal::No};
  PlanStep step{
      "attention", checked(attention), {q.dim, q.dim}, {headsView(q, size), headsView(k, size), headsView(v, size), headsView(out, size)}};
  step.groups = texts_;
  plan_.step(std::move(step));
  return out;
}

GraphRows ModelGraph::positions(const std::string& table, int64_t rows) {
  const Weight* weight = take(table, {rows, c_.width});
  list_.push_back({GraphWeight::Kind::Table, {}, {}, ElementType::F32, 1, {weight}, {rows}, c_.width, 0});
  GraphRows out{plan_.activation(c_.width, rows_), c_.width, 0, c_.width, rows_, {}};
  gathers_.push_back({plan_.gather({table, plan_.outside(kPositions), out.buffer, rows_, c_.width, {}}), list_.size() - 1});
  return out;
}

GraphRows ModelGraph::plusFirst(const GraphRows& x, const std::string& table, int64_t rows) {
  const Weight* weight = take(table, {rows, c_.width});
  PlanBuffer first = plan_.constant();
  list_.push_back({GraphWeight::Kind::Floats, first, {}, ElementType::F32, 1, {weight}, {rows * c_.width}, 1, 0});
  GraphRows out = fresh(x.width, x);
  ScalarExprRef added = scalarCall(ScalarFn::Add, {scalarOperand("a"), scalarOperand("b")});
  plan_.step({table,
              checked(MapOp{added, {{"a", {Dim{Dim::kAny}, Dim{x.width}}}, {"b", {Dim{x.width}}}}, ""}),
              {x.dim},
              {view(x), {first}, view(out)}});
  return out;
}

void ModelGraph::vectors(const GraphRows& x) {
  GraphRows out{plan_.outside(kLogits), x.width, 0, x.width, x.dim, {}};
  plan_.step(
      {"vectors", checked(CastOp{{Dim{Dim::kAny}, Dim{x.width}}, ElementType::F32, ElementType::F32}), {x.dim}, {view(x), view(out)}});
}

}  // namespace quern
