// tests/model/ReferenceDecoder.cpp — see ReferenceDecoder.h.
#include "tests/model/ReferenceDecoder.h"

#include <cmath>
#include <numbers>

namespace quern {

namespace {

using Vec = std::vector<double>;

Vec added(Vec a, const Vec& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

/// The rows of one model, one token after the other; keys and values of all before are kept.
class Reference {
public:
  explicit Reference(const TestModel& model)
      : model_(model), c_(model.config), keys_(static_cast<size_t>(c_.layers)), values_(keys_.size()) {}

  Vec step(int32_t id, size_t position) {
    Vec x = row("token_embd.weight", static_cast<size_t>(id));
    bool gpt2 = model_.family == "gpt2";
    if (gpt2) x = added(x, row("position_embd.weight", position));
    for (size_t layer = 0; layer < keys_.size(); ++layer) {
      std::string blk = "blk." + std::to_string(layer) + ".";
      Vec n = norm(blk + "attn_norm", x);
      Vec q, k, v;
      if (gpt2) {
        Vec all = linear(blk + "attn_qkv", n);
        auto third = static_cast<std::ptrdiff_t>(n.size());
        q.assign(all.begin(), all.begin() + third);
        k.assign(all.begin() + third, all.begin() + 2 * third);
        v.assign(all.begin() + 2 * third, all.end());
      } else {
        q = turned(linear(blk + "attn_q", n), position);
        k = turned(linear(blk + "attn_k", n), position);
        v = linear(blk + "attn_v", n);
      }
      keys_[layer].push_back(k);
      values_[layer].push_back(v);
      x = added(x, linear(blk + "attn_output", attended(q, layer)));
      Vec m = norm(blk + "ffn_norm", x), inner = linear(blk + "ffn_up", m);
      if (gpt2) {
        for (double& each : inner) each = gelu(each);
      } else {
        Vec gate = linear(blk + "ffn_gate", m);
        for (size_t i = 0; i < inner.size(); ++i) inner[i] *= gate[i] / (1 + std::exp(-gate[i]));
      }
      x = added(x, linear(blk + "ffn_down", inner));
    }
    return linear(model_.has("output.weight") && !c_.tied ? "output" : "token_embd", norm("output_norm", x));
  }

private:
  Vec row(const std::string& name, size_t index) const {
    const TestTensor& table = model_.at(name);
    auto width = static_cast<size_t>(table.shape[1]);
    auto begin = table.values.begin() + static_cast<std::ptrdiff_t>(index * width);
    return {begin, begin + static_cast<std::ptrdiff_t>(width)};
  }

  /// out[i] = sum over k of weight[i,k] x[k] + bias[i]
  Vec linear(const std::string& name, const Vec& x) const {
    const TestTensor& w = model_.at(name + ".weight");
    REQUIRE(static_cast<size_t>(w.shape[1]) == x.size());
    Vec out(static_cast<size_t>(w.shape[0]));
    const TestTensor* bias = model_.has(name + ".bias") ? &model_.at(name + ".bias") : nullptr;
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = bias != nullptr ? bias->values[i] : 0.0;
      for (size_t k = 0; k < x.size(); ++k) out[i] += double{w.values[i * x.size() + k]} * x[k];
    }
    return out;
  }

  /// LayerNorm where there is a bias, else RMSNorm.
  Vec norm(const std::string& name, const Vec& x) const {
    const TestTensor& gain = model_.at(name + ".weight");
    const TestTensor* bias = model_.has(name + ".bias") ? &model_.at(name + ".bias") : nullptr;
    auto count = static_cast<double>(x.size());
    double mean = 0, square = 0;
    if (bias != nullptr)
      for (double each : x) mean += each / count;
    for (double each : x) square += (each - mean) * (each - mean) / count;
    Vec out(x.size());
    for (size_t i = 0; i < x.size(); ++i)
      out[i] = (x[i] - mean) / std::sqrt(square + double{c_.eps}) * gain.values[i] + (bias != nullptr ? bias->values[i] : 0.0);
    return out;
  }

  /// Each pair of a head turned by its angle.
  Vec turned(Vec x, size_t position) const {
    auto size = static_cast<size_t>(c_.headDim()), pairs = size / 2;
    for (size_t head = 0; head < x.size(); head += size)
      for (size_t i = 0; i < pairs; ++i) {
        double frequency = std::pow(c_.rope.base, -2.0 * static_cast<double>(i) / static_cast<double>(size));
        if (model_.has("rope_freqs.weight")) frequency /= model_.at("rope_freqs.weight").values[i];
        if (c_.rope.scaling == RopeConfig::Scaling::Linear) frequency /= c_.rope.factor;
        if (c_.rope.scaling == RopeConfig::Scaling::Llama3)
          frequency /= llama3Divisor(frequency, {c_.rope.factor, c_.rope.lowFactor, c_.rope.highFactor, c_.rope.originalContext});
        double angle = static_cast<double>(position) * frequency;
        bool adjacent = c_.rope.pairs == RopePairs::Adjacent;
        double& a = x[head + (adjacent ? 2 * i : i)];
        double& b = x[head + (adjacent ? 2 * i + 1 : i + pairs)];
        double before = a;
        a = before * std::cos(angle) - b * std::sin(angle);
        b = before * std::sin(angle) + b * std::cos(angle);
      }
    return x;
  }

  Vec attended(const Vec& q, size_t layer) const {
    auto size = static_cast<size_t>(c_.headDim()), group = static_cast<size_t>(c_.heads / c_.keyHeads());
    Vec out(q.size());
    for (size_t head = 0; head < static_cast<size_t>(c_.heads); ++head) {
      size_t from = head / group * size;
      Vec p;
      double top = -INFINITY, total = 0;
      for (const Vec& key : keys_[layer]) {
        double s = 0;
        for (size_t i = 0; i < size; ++i) s += q[head * size + i] * key[from + i];
        p.push_back(s / std::sqrt(static_cast<double>(size)));
        top = std::max(top, p.back());
      }
      for (double& each : p) total += each = std::exp(each - top);
      for (size_t j = 0; j < p.size(); ++j)
        for (size_t i = 0; i < size; ++i) out[head * size + i] += p[j] / total * values_[layer][j][from + i];
    }
    return out;
  }

  double gelu(double x) const {
    if (c_.gelu == "erf") return x * 0.5 * std::erfc(-x / std::numbers::sqrt2);
    if (c_.gelu == "sigmoid") return x / (1 + std::exp(-1.702 * x));
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
  }

  const TestModel& model_;
  const ModelConfig& c_;
  std::vector<std::vector<Vec>> keys_, values_;  ///< by layer, by position
};

}  // namespace

double llama3Divisor(double frequency, const Llama3Scaling& s) {
  double wave = 2 * std::numbers::pi / frequency;
  if (wave < s.originalContext / s.highFactor) return 1;
  if (wave > s.originalContext / s.lowFactor) return s.factor;
  double smooth = (s.originalContext / wave - s.lowFactor) / (s.highFactor - s.lowFactor);
  return 1 / ((1 - smooth) / s.factor + smooth);
}

std::vector<std::vector<double>> referenceLogits(const TestModel& model, std::span<const int32_t> ids) {
  Reference reference(model);
  std::vector<std::vector<double>> logits;
  for (size_t t = 0; t < ids.size(); ++t) logits.push_back(reference.step(ids[t], t));
  return logits;
}

double relativeError(std::span<const float> logits, const std::vector<std::vector<double>>& reference) {
  double worst = 0, largest = 0;
  size_t at = 0;
  REQUIRE(logits.size() == reference.size() * reference.at(0).size());
  for (const auto& row : reference)
    for (double exact : row) {
      double off = std::fabs(logits[at++] - exact);
      worst = std::isnan(off) ? INFINITY : std::max(worst, off);
      largest = std::max(largest, std::fabs(exact));
    }
  REQUIRE(largest > 0.5);
  return worst / largest;
}

}  // namespace quern
