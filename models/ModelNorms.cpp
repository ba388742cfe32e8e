// models/ModelNorms.cpp — ModelGraph's norms: of rows, and of each head by itself.
#include "models/ModelGraph.h"

#include <fmt/format.h>

namespace quern {

GraphRows ModelGraph::rmsNorm(const GraphRows& x, const std::string& gain, float plus, int64_t heads) {
  GraphRows out = fresh(x.width, x);
  int64_t size = x.width / heads;
  PlanBuffer gains = floats(gain, size, plus);
  bool whole = heads == 1 && x.stride == x.width;
  Shape shape = whole ? Shape{Dim{Dim::kAny}, Dim{size}} : Shape{Dim{Dim::kAny}, Dim{heads}, Dim{size}};
  PlanView from = whole ? view(x) : headsView(x, size), to = whole ? view(out) : headsView(out, size);
  plan_.step({gain, checked(RmsNormOp{{shape, c_.eps}}), {x.dim}, {from, {gains}, to}});
  return out;
}

GraphRows ModelGraph::layerNorm(const GraphRows& x, const std::string& gain, const std::string& bias) {
  GraphRows out = fresh(x.width, x);
  PlanBuffer gains = floats(gain, x.width), biases = floats(bias, x.width);
  plan_.step({gain, checked(LayerNormOp{{Shape{Dim{Dim::kAny}, Dim{x.width}}, c_.eps}}), {x.dim}, {view(x), {gains}, {biases}, view(out)}});
  return out;
}

GraphRows ModelGraph::layerNormOfHeads(const GraphRows& x, const std::string& name, int64_t heads) {
  int64_t size = x.width / heads;
  GraphRows normed = fresh(x.width, x), out = fresh(x.width, x);
  GraphWeight ones{GraphWeight::Kind::Floats, plan_.constant(), {}, ElementType::F32, 1, {nullptr}, {size}, 1, 1};
  GraphWeight gains{GraphWeight::Kind::Floats, plan_.constant(), {}, ElementType::F32, 1, {}, {}, 1, 0};
  std::vector<std::pair<std::string, int64_t>> each;
  for (int64_t i = 0; i < heads; ++i) each.emplace_back(fmt::format("{}.{}.weight", name, i), 1);
  if (has(name + ".weight"))
    if (auto good = weights_.split(name + ".weight", each); !good) return fail(good.error()), out;
  for (const auto& [own, one] : each) {
    gains.pieces.push_back(take(own, {size}));
    gains.columns.push_back(size);
    if (!status_) return out;
  }
  LayerNormOp norm{{Shape{Dim{Dim::kAny}, Dim{heads}, Dim{size}}, c_.eps}, false};
  plan_.step({name, checked(norm), {x.dim}, {headsView(x, size), {ones.buffer}, headsView(normed, size)}});
  ScalarExprRef product = scalarCall(ScalarFn::Mul, {scalarOperand("x"), scalarOperand("gain")});
  Shape whole{Dim{Dim::kAny}, Dim{x.width}};
  MapOp gained{product, {{"x", whole}, {"gain", Shape{Dim{x.width}}}}, ""};
  plan_.step({name, checked(gained), {x.dim}, {view(normed), {gains.buffer}, view(out)}});
  list_.push_back(ones);
  list_.push_back(gains);
  return out;
}

}  // namespace quern
