// models/ModelExperts.cpp — ModelGraph's mixtures of experts: rows are sorted by the experts that they go through, each expert multiplies
// its own, and a row's results are added up by their weights.
#include "compiler/base/Text.h"
#include "models/ModelGraph.h"

#include <fmt/format.h>

namespace quern {

GraphRoute ModelGraph::route(const GraphRows& scores) {
  GraphRoute route;
  route.experts = scores.width;
  route.used = c_.usedExperts;
  route.rows = scores.dim;
  route.slots = {scores.dim.index, scores.dim.times * route.used};
  route.groups = plan_.groups(route.experts);
  route.order = plan_.activation(1, route.slots);
  route.places = plan_.activation(route.used, route.rows);
  route.weights = plan_.activation(route.used, route.rows);
  plan_.route({"route", view(scores), route.rows, route.experts, route.used, c_.normalisedExperts, route.order, route.places, route.weights,
               route.groups});
  return route;
}

GraphRows ModelGraph::routed(const GraphRoute& route, const GraphRows& x) {
  Dim any{Dim::kAny};
  GraphRows out{plan_.activation(x.width, route.slots), x.width, 0, x.width, route.slots, {}};
  plan_.step(
      {"routed", checked(EmbeddingOp{{any}, any, Dim{x.width}, false}), {route.slots, route.rows}, {{route.order}, view(x), view(out)}});
  return out;
}

GraphRows ModelGraph::expertLinear(const GraphRoute& route, const GraphRows& x, const std::string& name, int64_t width,
                                   const LinearEnd& end) {
  GraphRows out = fresh(width, x);
  auto numbered = [&](int64_t expert, const char* kind) { return fmt::format("{}.{}{}", name, expert, kind); };
  for (const char* kind : {".weight", ".bias"}) {
    if (!weights_.has(name + kind)) continue;
    std::vector<std::pair<std::string, int64_t>> each;
    for (int64_t i = 0; i < route.experts; ++i) each.emplace_back(numbered(i, kind), 1);
    if (auto good = weights_.split(name + kind, each); !good) return fail(good.error()), out;
  }
  std::vector<LinearParts> experts;
  for (int64_t i = 0; i < route.experts; ++i) {
    const Weight* weight = take(numbered(i, ".weight"), {width, x.width});
    if (weight == nullptr) return out;
    experts.push_back({{weight}, {numbered(i, "")}, {width}});
  }
  expertStep(route, x, out, experts, adaptedExperts(route, x, name, width, end));
  return out;
}

void ModelGraph::expertStep(const GraphRoute& route, const GraphRows& x, const GraphRows& out, const std::vector<LinearParts>& experts,
                            const LinearEnd& end) {
  PlanChoice weights{1, {}}, biased{2, {}};
  PlanStep step;
  double share = static_cast<double>(route.used) / static_cast<double>(route.experts);
  for (size_t i = 0; i < experts.size(); ++i) {
    const Weight& weight = *experts[i].weights[0];
    auto matmul = productOf(x, out, experts[i], end, false);
    if (!matmul) return;
    PlanBuffer bias = experts[i].biased(weights_) ? biases(experts[i]) : PlanBuffer{};
    GraphWeight own{GraphWeight::Kind::Packed, plan_.constant(), *matmul, matmul->w, share, {&weight}, experts[i].widths, x.width, 0};
    if (i == 0) step = productStep(*matmul, weight.stored, x, out, end, own.buffer, bias);
    if (text(step.op) != text(own.op))
      return fail(badInput(fmt::format("{}: tensor '{}' is {}, the experts' before it are of another type", escaped(weights_.label()),
                                       escapedShort(weight.stored), nameOf(weight.type))));
    weights.buffers.push_back(own.buffer);
    if (bias.index >= 0) biased.buffers.push_back(bias);
    list_.push_back(std::move(own));
  }
  step.groups = route.groups;
  step.choices.push_back(weights);
  for (size_t i = 2; i < step.operands.size() && !biased.buffers.empty(); ++i)
    if (step.operands[i].buffer.index == biased.buffers[0].index) biased.operand = i, step.choices.push_back(biased);
  plan_.step(std::move(step));
}

GraphRows ModelGraph::broughtBack(const GraphRoute& route, const GraphRows& x) {
  Dim any{Dim::kAny};
  GraphRows out{plan_.activation(x.width, route.rows), x.width, 0, x.width, route.rows, {}};
  plan_.step({"brought_back",
              checked(EmbeddingOp{{any, Dim{route.used}}, any, Dim{x.width}, true}),
              {route.rows, route.slots},
              {{route.places}, view(x), {route.weights}, view(out)}});
  return out;
}

}  // namespace quern
