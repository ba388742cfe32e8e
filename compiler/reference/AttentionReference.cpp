// compiler/reference/AttentionReference.cpp — attention in double, of f32 and of what a=bf16 rounds.
#include "compiler/reference/OpReferences.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace quern {

namespace {

/// The keys that one row sees: scores, the largest sum of products of sizes behind one of them, weights.
struct Seen {
  std::vector<double> weights;
  double largestScore = 0, largestSize = 0;
};

Seen seenBy(const std::vector<double>& scores, const std::vector<double>& sizes) {
  Seen seen;
  double top = highest(scores), sum = 0;
  for (double s : scores) {
    sum += std::exp(s - top);
    seen.largestScore = std::max(seen.largestScore, std::fabs(s));
  }
  for (double s : scores) seen.weights.push_back(std::exp(s - top) / sum);
  for (double size : sizes) seen.largestSize = std::max(seen.largestSize, size);
  return seen;
}

/// What is added to the limit of f32 where Q and the weights are rounded: `spread` is the mean distance of the values from the result.
double pairsError(const AttentionOp& op, const Seen& seen, double spread, double largestValue) {
  auto width = static_cast<double>(op.headDim.value), keys = static_cast<double>(seen.weights.size());
  double scores = 2 * (width + 2) * kU * seen.largestSize;
  double flushed = 0x1p-126 * (keys + 2 * width * double{op.factor()} * largestValue);
  double error = (0x1p-8 * (1 + 0x1p-7) + scores) * spread + flushed;
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}

}  // namespace

ReferenceResult referenceOf(const AttentionOp& op, Inputs inputs, DataKind, const ReferenceScope& scope) {
  ReferenceResult result = unseen(op.output());
  int64_t heads = op.heads.value, kvHeads = op.kvHeads.value, width = op.headDim.value;
  bool pairs = op.a == RoundedTo::BF16;
  double scale = op.factor();
  std::vector<float> keys = floatsOf(op.kvType, inputs[1]), values = floatsOf(op.kvType, inputs[2]);
  if (pairs)
    for (std::vector<float>* each : {&keys, &values})
      for (float& x : *each) x = pairsOperand(x, false);
  double work = static_cast<double>(op.kv.value) * static_cast<double>((pairs ? 6 : 4) * width + 40);
  forRows(op.q.value * heads, work, scope, [&](int64_t row) {
    int64_t i = row / heads, h = row % heads;
    int64_t g = h / (heads / kvHeads), limit = causalLimit(op.causal, i, op.q.value, op.kv.value);
    const float* q = inputs[0].f32() + (i * heads + h) * width;
    std::vector<double> s, sizes;
    for (int64_t j = 0; j < limit; ++j) {
      const float* k = keys.data() + (j * kvHeads + g) * width;
      double dot = 0, size = 0;
      for (int64_t d = 0; d < width; ++d) {
        double product = double{pairs ? pairsOperand(q[d], true) : q[d]} * k[d];
        dot += product, size += std::fabs(product);
      }
      s.push_back(dot * scale), sizes.push_back(size * scale);
    }
    Seen seen = seenBy(s, sizes);
    for (int64_t d = 0; d < width; ++d) {
      auto at = static_cast<size_t>((i * heads + h) * width + d);
      auto valueAt = [&](int64_t j) { return double{values[static_cast<size_t>((j * kvHeads + g) * width + d)]}; };
      double largestValue = 0, spread = 0;
      bool anyValue = false;
      for (int64_t j = 0; j < limit; ++j) {
        double weight = seen.weights[static_cast<size_t>(j)];
        result.value[at] += weight * valueAt(j);
        largestValue = std::max(largestValue, std::fabs(valueAt(j)));
        anyValue = anyValue || (std::isinf(valueAt(j)) && weight < 0x1p-120);
      }
      for (int64_t j = 0; pairs && j < limit; ++j)
        spread += seen.weights[static_cast<size_t>(j)] * std::fabs(valueAt(j) - result.value[at]);
      double error = (16 + seen.largestScore) * kEps * largestValue;
      if (pairs && !std::isnan(error)) error += pairsError(op, seen, spread, largestValue);
      result.limit[at] = anyValue ? std::numeric_limits<double>::quiet_NaN() : error;
    }
  });
  return result;
}

}  // namespace quern
