// compiler/reference/AttentionReference.cpp — attention in double, of f32 and of what a=bf16 rounds.
#include "compiler/reference/OpReferences.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace quern {

namespace {

/// The keys that one row sees: scores, the largest sum of products of sizes behind one of them, weights.
struct Seen {
  std::vector<double> weights;
  double largestScore = 0, largestSize = 0;
};

Seen seenBy(const std::vector<double>& scores, const std::vector<double>& sizes, std::optional<double> sink) {
  Seen seen;
  double top = highest(scores), sum = 0;
  if (sink) top = std::isnan(*sink) ? *sink : std::max(top, *sink), sum = std::exp(*sink - top);
  for (double s : scores) sum += std::exp(s - top);
  for (double s : scores) seen.weights.push_back(std::exp(s - top) / sum);
  for (double size : sizes) seen.largestSize = std::max(seen.largestSize, size);
  return seen;
}

/// Where one of the batch, a row and a head of it are.
struct RowAt {
  int64_t batch, query, head;
  int64_t firstKey = 0;  ///< of those that count
};

/// What a score becomes before its exponential, and what the largest of these err by in units of eps.
class Adjust {
public:
  Adjust(const AttentionOp& op, Inputs inputs) : op_(op), specs_(op.inputs()), inputs_(inputs) {}

  /// Whether the limit is the one that knows of cancellation (AttentionOp.h).
  bool limitKnowsSizes() const { return op_.softcap != 0 || !op_.mask.empty() || op_.batched || op_.lens || op_.vDim.value != 0; }
  void row(std::vector<double>& scores, const RowAt& at, Seen& seen) const {
    for (size_t j = 0; j < scores.size(); ++j) {
      if (op_.softcap != 0) scores[j] = double{op_.softcap} * std::tanh(scores[j] / double{op_.softcap});
      if (!op_.mask.empty()) scores[j] += maskOf(at, at.firstKey + static_cast<int64_t>(j));
    }
    if (op_.mask.empty()) return;
    constexpr double kFar = 128;
    double top = highest(scores), most = 0;
    for (double s : scores)
      if (s >= top - kFar && std::isfinite(s)) most = std::max(most, std::fabs(s));
    seen.largestScore += most;
  }
  /// lens, and all keys where there is none.
  int64_t keysOf(int64_t batch) const {
    if (!op_.lens) return op_.kv.value;
    return std::clamp<int64_t>(static_cast<const int32_t*>(inputs_[op_.mask.empty() ? 3 : 4].data)[batch], 0, op_.kv.value);
  }
  std::optional<double> sinkOf(int64_t head) const { return op_.sinks ? std::optional<double>(inputs_.back().f32()[head]) : std::nullopt; }

private:
  double maskOf(const RowAt& at, int64_t key) const {
    const int64_t full[] = {at.batch, at.head, at.query, key};
    int64_t place = 0;
    size_t rank = op_.mask.size();
    for (size_t i = 0; i < rank; ++i) place = place * op_.mask[i].value + (specs_[3].dims[i].name == "one" ? 0 : full[4 - rank + i]);
    return inputs_[3].f32()[place];
  }

  const AttentionOp& op_;
  std::vector<TensorSpec> specs_;
  Inputs inputs_;
};

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
  int64_t heads = op.heads.value, kvHeads = op.kvHeads.value, width = op.headDim.value, valueWidth = op.valueDim();
  Adjust adjust(op, inputs);
  constexpr double kCancelled = 16;
  bool pairs = op.a == RoundedTo::BF16;
  double scale = op.factor();
  std::vector<float> keys = floatsOf(op.kvType, inputs[1]), values = floatsOf(op.kvType, inputs[2]);
  if (pairs)
    for (std::vector<float>* each : {&keys, &values})
      for (float& x : *each) x = pairsOperand(x, false);
  double work = static_cast<double>(op.kv.value) * static_cast<double>((pairs ? 6 : 4) * width + 40);
  forRows(op.batch.value * op.q.value * heads, work, scope, [&](int64_t row) {
    RowAt at0{row / heads / std::max<int64_t>(1, op.q.value), row / heads % std::max<int64_t>(1, op.q.value), row % heads};
    int64_t h = at0.head, first = at0.batch * op.kv.value;
    int64_t g = h / (heads / kvHeads), limit = causalLimit(op.causal, at0.query, op.q.value, adjust.keysOf(at0.batch));
    const float* q = inputs[0].f32() + row * width;
    if (op.window != 0) {  // the keys before the window are as if they were not there
      int64_t unclamped = at0.query + 1 + (op.causal == Causal::TopLeft ? 0 : adjust.keysOf(at0.batch) - op.q.value);
      int64_t before = std::clamp<int64_t>(unclamped - op.window, 0, limit);
      first += before, limit -= before, at0.firstKey = before;
    }
    std::vector<double> s, sizes;
    for (int64_t j = 0; j < limit; ++j) {
      const float* k = keys.data() + ((first + j) * kvHeads + g) * width;
      double dot = 0, size = 0;
      for (int64_t d = 0; d < width; ++d) {
        double product = double{pairs ? pairsOperand(q[d], true) : q[d]} * k[d];
        dot += product, size += std::fabs(product);
      }
      s.push_back(dot * scale), sizes.push_back(size * scale);
    }
    double largest = 0;
    for (size_t j = 0; j < s.size(); ++j)
      largest = std::max({largest, std::fabs(s[j]), adjust.limitKnowsSizes() ? sizes[j] / kCancelled : 0});
    Seen before;
    adjust.row(s, at0, before);
    std::optional<double> sink = adjust.sinkOf(h);
    Seen seen = seenBy(s, sizes, sink);
    if (sink && std::isfinite(*sink)) largest = std::max(largest, std::fabs(*sink));
    constexpr double kCap = 6;
    seen.largestScore = largest + before.largestScore + kCap * double{op.softcap};
    bool none = !op.mask.empty() && std::all_of(s.begin(), s.end(), [](double score) { return score == -INFINITY; });
    if (none) limit = 0;
    for (int64_t d = 0; d < valueWidth; ++d) {
      auto at = static_cast<size_t>(row * valueWidth + d);
      auto valueAt = [&](int64_t j) { return double{values[static_cast<size_t>(((first + j) * kvHeads + g) * valueWidth + d)]}; };
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
