// compiler/loops/ops/MatmulBatch.cpp — see MatmulBatch.h.
#include "compiler/loops/ops/MatmulBatch.h"

namespace quern {

std::vector<Value> joined(std::vector<Value> outer, const std::vector<Value>& inner) {
  outer.insert(outer.end(), inner.begin(), inner.end());
  return outer;
}

std::optional<MatmulOp> oneProduct(OpBuild& build, const MatmulOp& op) {
  std::optional<MatmulOp> one = op.asOneProduct();
  if (!one || !one->m.any()) return one;
  Value rows = build.dim({"m", op.m.value});
  for (const TensorDim& axis : op.axesOf(op.batch)) rows = build.dim(axis) * rows;
  build.setDim("m", rows);
  return one;
}

static Value product(const std::vector<Value>& sizes, size_t from = 0) {
  Value all = 1;
  for (size_t i = from; i < sizes.size(); ++i) all = all * sizes[i];
  return all;
}

MatmulBatch::MatmulBatch(OpBuild& build, const MatmulOp& op)
    : build_(build), broadcastsA_(op.batchA != op.batch), broadcastsB_(op.batchB != op.batch) {
  std::vector<TensorSpec> inputs = op.inputs();
  a_ = sizesOf(inputs[0], op.batchA.size());
  b_ = sizesOf(inputs[1], op.batchB.size());
  c_ = sizesOf(op.output(), op.batch.size());
  count_ = product(c_);
  countOfA_ = product(a_);
  countOfB_ = product(b_);
}

std::vector<Value> MatmulBatch::sizesOf(const TensorSpec& spec, size_t axes) const {
  std::vector<Value> sizes;
  for (size_t i = 0; i < axes; ++i) sizes.push_back(build_.dim(spec.dims[i]));
  return sizes;
}

std::vector<Value> MatmulBatch::apart(const std::vector<Value>& sizes, const Value& index) const {
  if (sizes.size() < 2) return std::vector<Value>(sizes.size(), index);
  std::vector<Value> places;
  for (size_t i = 0; i < sizes.size(); ++i) {
    Value outer = index / product(sizes, i + 1);
    places.push_back(i == 0 ? outer : outer % sizes[i]);
  }
  return places;
}

std::vector<Value> MatmulBatch::along(const std::vector<Value>& sizes, const std::vector<Value>& places) const {
  std::vector<Value> own;
  for (size_t i = 0; i < sizes.size(); ++i) own.push_back(sizes[i].isConstant(1) ? Value(0) : places[places.size() - sizes.size() + i]);
  return own;
}

Value MatmulBatch::counted(const std::vector<Value>& sizes, const std::vector<Value>& places) const {
  Value index = 0;
  for (size_t i = 0; i < sizes.size(); ++i) index = index * sizes[i] + places[i];
  return index;
}

BatchPlace MatmulBatch::at(const Value& index) const {
  std::vector<Value> c = apart(c_, index);
  if (c.size() > 1)
    for (Value& place : c) place = build_.b.let("batch_at", place);
  if (!broadcastsA_ && !broadcastsB_) return {c, c, c, index, index};
  std::vector<Value> a = along(a_, c), b = along(b_, c);
  auto let = [&](const char* name, const Value& value) { return value.constant() != nullptr ? value : build_.b.let(name, value); };
  return {a, b, c, broadcastsA_ ? let("batch_a", counted(a_, a)) : index, broadcastsB_ ? let("batch_b", counted(b_, b)) : index};
}

}  // namespace quern
