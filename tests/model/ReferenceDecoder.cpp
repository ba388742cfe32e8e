// tests/model/ReferenceDecoder.cpp — see ReferenceDecoder.h.
#include "tests/model/ReferenceDecoder.h"

#include <algorithm>
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
    Vec x = scaled(row("token_embd.weight", static_cast<size_t>(id)), c_.embeddingScale);
    if (model_.family == "gpt2") x = added(x, row("position_embd.weight", position));
    for (size_t layer = 0; layer < keys_.size(); ++layer) {
      std::string blk = "blk." + std::to_string(layer) + ".";
      LayerConfig own = c_.layer(static_cast<int64_t>(layer));
      Vec n = own.heads > 0 ? normedIf(blk + "attn_norm", x) : x, y = x;
      if (own.heads > 0)
        y = joined(x, linear(blk + "attn_output", own.kvHeads > 0 ? attention(n, layer, position) : n),
                   model_.family == "gpt-oss" ? "" : blk + "post_attention_norm");
      if (c_.experts == 0 && own.hidden == 0) {
        x = y;
        continue;
      }
      const Vec& input = c_.parallel ? x : y;
      Vec m = model_.has(blk + "ffn_norm.weight") ? norm(blk + "ffn_norm", input) : c_.parallel ? n : input;
      if (model_.family == "gpt-oss") m = norm(blk + "post_attention_norm", input);  // so is it called there
      Vec more = model_.has(blk + "ffn_gate_inp.weight") ? mixed(blk, m) : linear(blk + "ffn_down", inner(blk, m));
      x = joined(y, more, blk + "post_ffw_norm");
    }
    Vec logits = linear(model_.has("output.weight") && !c_.tied ? "output" : "token_embd", norm("output_norm", x));
    for (double& each : logits) {
      each *= c_.logitScale;
      if (c_.logitCap != 0) each = c_.logitCap * std::tanh(each / c_.logitCap);
    }
    return logits;
  }

private:
  static Vec scaled(Vec x, double scale) {
    for (double& each : x) each *= scale;
    return x;
  }
  static Vec part(const Vec& x, size_t begin, size_t count) {
    auto from = x.begin() + static_cast<std::ptrdiff_t>(begin);
    return {from, from + static_cast<std::ptrdiff_t>(count)};
  }
  Vec normedIf(const std::string& name, const Vec& x) const { return model_.has(name + ".weight") ? norm(name, x) : x; }
  /// x, and what a layer adds.
  Vec joined(const Vec& x, const Vec& more, const std::string& norm) const {
    return added(x, scaled(normedIf(norm, more), c_.residualScale));
  }

  /// Of a layer's normed row, whose keys and values are kept.
  Vec attention(const Vec& n, size_t layer, size_t position) {
    std::string blk = "blk." + std::to_string(layer) + ".";
    LayerConfig own = c_.layer(static_cast<int64_t>(layer));
    auto [q, k, v] = headsOf(blk, n, own);
    q = headsNormed(blk + "attn_q_norm", q), k = headsNormed(blk + "attn_k_norm", k);
    if (model_.family != "gpt2" && own.turned) {
      const RopeConfig& rope = own.local ? c_.localRope : c_.rope;
      q = turned(q, position, rope), k = turned(k, position, rope);
    }
    keys_[layer].push_back(k);
    values_[layer].push_back(v);
    return attended(q, layer, own);
  }
  struct Heads {
    Vec q, k, v;
  };
  Heads headsOf(const std::string& blk, const Vec& n, const LayerConfig& own) const {
    if (!model_.has(blk + "attn_qkv.weight")) return {linear(blk + "attn_q", n), linear(blk + "attn_k", n), linear(blk + "attn_v", n)};
    Vec all = linear(blk + "attn_qkv", n);
    auto q = static_cast<size_t>(own.heads * c_.headDim()), kv = static_cast<size_t>(own.kvHeads * c_.headDim());
    return {part(all, 0, q), part(all, q, kv), part(all, q + kv, kv)};
  }
  /// By gains that all heads share, or that the whole row has; by LayerNorm, where each head has its own.
  Vec headsNormed(const std::string& name, const Vec& x) const {
    if (!model_.has(name + ".weight")) return x;
    const TestTensor& gains = model_.at(name + ".weight");
    auto size = static_cast<size_t>(gains.shape.back());
    Vec out;
    if (gains.shape.size() == 2) {
      for (size_t head = 0; head < x.size(); head += size)
        for (double each : normalised(part(x, head, size), true)) out.push_back(each * gains.values[out.size()]);
      return out;
    }
    for (size_t head = 0; head < x.size(); head += size)
      for (double each : norm(name, part(x, head, size))) out.push_back(each);
    return out;
  }
  /// W x of one expert's matrix out of a stack.
  Vec ofExpert(const std::string& name, size_t expert, const Vec& x) const {
    const TestTensor& stack = model_.at(name + ".weight");
    Vec out(static_cast<size_t>(stack.shape[1]));
    for (size_t i = 0; i < out.size(); ++i)
      for (size_t k = 0; k < x.size(); ++k) out[i] += double{stack.values[(expert * out.size() + i) * x.size() + k]} * x[k];
    if (model_.has(name + ".bias"))
      for (size_t i = 0; i < out.size(); ++i) out[i] += double{model_.at(name + ".bias").values[expert * out.size() + i]};
    return out;
  }
  /// Through the experts whose scores are highest.
  Vec mixed(const std::string& blk, const Vec& m) const {
    Vec scores = linear(blk + "ffn_gate_inp", m), out(m.size());
    std::vector<size_t> order(scores.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
    double all = 0;
    auto used = static_cast<size_t>(c_.usedExperts);
    for (size_t i = 0; i < (c_.normalisedExperts ? used : order.size()); ++i) all += std::exp(scores[order[i]]);
    for (size_t i = 0; i < used; ++i) {
      Vec gate = ofExpert(blk + "ffn_gate_exps", order[i], m), up = ofExpert(blk + "ffn_up_exps", order[i], m);
      for (size_t j = 0; j < up.size(); ++j) {
        double g = gate[j];
        if (model_.family == "gpt-oss") g = std::min(g, 7.0), up[j] = std::clamp(up[j], -7.0, 7.0) + 1;
        up[j] *= g / (1 + std::exp(-(model_.family == "gpt-oss" ? double{1.702f} : 1) * g));
      }
      out = added(out, scaled(ofExpert(blk + "ffn_down_exps", order[i], up), std::exp(scores[order[i]]) / all));
    }
    return model_.has(blk + "ffn_up_shexp.weight") ? added(out, sharedExpert(blk, m)) : out;
  }
  /// The one that all rows go through, counted by a sigmoid where there is one.
  Vec sharedExpert(const std::string& blk, const Vec& m) const {
    Vec up = linear(blk + "ffn_up_shexp", m), gate = linear(blk + "ffn_gate_shexp", m);
    for (size_t i = 0; i < up.size(); ++i) up[i] *= gate[i] / (1 + std::exp(-gate[i]));
    double score = 0;
    if (!model_.has(blk + "ffn_gate_inp_shexp.weight")) return linear(blk + "ffn_down_shexp", up);
    for (size_t k = 0; k < m.size(); ++k) score += m[k] * model_.at(blk + "ffn_gate_inp_shexp.weight").values[k];
    return scaled(linear(blk + "ffn_down_shexp", up), 1 / (1 + std::exp(-score)));
  }
  Vec inner(const std::string& blk, const Vec& m) const {
    bool silu =
        model_.family != "gpt2" && model_.family != "gptneox" && model_.family != "starcoder2" && !model_.family.starts_with("gemma");
    auto act = [&](double x) { return silu ? x / (1 + std::exp(-x)) : gelu(x); };
    Vec up = linear(blk + "ffn_up", m), gate;
    auto hidden = static_cast<size_t>(c_.hidden);
    if (model_.has(blk + "ffn_gate.weight")) gate = linear(blk + "ffn_gate", m);
    else if (up.size() == 2 * hidden) gate = part(up, 0, hidden), up = part(up, hidden, hidden);
    for (size_t i = 0; i < up.size(); ++i) up[i] = gate.empty() ? act(up[i]) : act(gate[i]) * up[i];
    return up;
  }

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
    Vec out = normalised(x, bias != nullptr);
    for (size_t i = 0; i < x.size(); ++i) out[i] = out[i] * gain.values[i] + (bias != nullptr ? bias->values[i] : 0.0);
    return out;
  }
  Vec normalised(Vec x, bool centred) const {
    auto count = static_cast<double>(x.size());
    double mean = 0, square = 0;
    for (double each : x) mean += centred ? each / count : 0;
    for (double each : x) square += (each - mean) * (each - mean) / count;
    for (double& each : x) each = (each - mean) / std::sqrt(square + double{c_.eps});
    return x;
  }

  /// Radians per position of pair i of `pairs`.
  double frequencyOf(const RopeConfig& rope, size_t i, size_t pairs) const {
    auto at = static_cast<double>(i), width = 2 * static_cast<double>(pairs);
    double frequency = std::pow(rope.base, -2 * at / width);
    bool main = &rope == &c_.rope;
    if (main && model_.has("rope_freqs.weight")) frequency /= model_.at("rope_freqs.weight").values[i];
    bool longer = static_cast<double>(c_.context) > rope.originalContext;
    std::string factors = longer ? "rope_factors_long.weight" : "rope_factors_short.weight";
    if (main && model_.has(factors)) frequency /= model_.at(factors).values[i];
    else if (rope.scaling == RopeConfig::Scaling::Long) frequency /= (longer ? rope.longFactors : rope.shortFactors)[i];
    if (rope.scaling == RopeConfig::Scaling::Linear) frequency /= rope.factor;
    if (rope.scaling == RopeConfig::Scaling::Llama3)
      frequency /= llama3Divisor(frequency, {rope.factor, rope.lowFactor, rope.highFactor, rope.originalContext});
    if (rope.scaling == RopeConfig::Scaling::Yarn) {
      // How many whole turns the pair makes within the original context decides.
      auto pairOf = [&](double turns) {
        return width / 2 * std::log(rope.originalContext / (2 * std::numbers::pi * turns)) / std::log(rope.base);
      };
      double first = std::max(0.0, std::floor(pairOf(rope.betaFast))), last = std::min(width - 1, std::ceil(pairOf(rope.betaSlow)));
      double stretched = at <= first ? 0 : at >= last ? 1 : (at - first) / (last - first);
      frequency = frequency * (1 - stretched) + frequency / rope.factor * stretched;
    }
    return frequency;
  }

  /// Each pair of a head turned by its angle.
  Vec turned(Vec x, size_t position, const RopeConfig& rope) const {
    auto size = static_cast<size_t>(c_.headDim()), pairs = static_cast<size_t>(c_.turnedDim()) / 2;
    for (size_t head = 0; head < x.size(); head += size)
      for (size_t i = 0; i < pairs; ++i) {
        double angle = static_cast<double>(position) * frequencyOf(rope, i, pairs);
        bool adjacent = c_.rope.pairs == RopePairs::Adjacent;
        double& a = x[head + (adjacent ? 2 * i : i)];
        double& b = x[head + (adjacent ? 2 * i + 1 : i + pairs)];
        double before = a, cosine = rope.magnitude * std::cos(angle), sine = rope.magnitude * std::sin(angle);
        a = before * cosine - b * sine;
        b = before * sine + b * cosine;
      }
    return x;
  }

  /// Of a layer whose rows see the last `window` keys; 0: all.
  Vec attended(const Vec& q, size_t layer, const LayerConfig& own) const {
    auto window = static_cast<size_t>(own.window);
    auto size = static_cast<size_t>(c_.headDim()), group = static_cast<size_t>(own.heads / own.kvHeads);
    size_t there = keys_[layer].size(), begin = window == 0 || there <= window ? 0 : there - window;
    double scale = c_.attentionScale != 0 ? c_.attentionScale : 1 / std::sqrt(static_cast<double>(size));
    Vec out(q.size());
    for (size_t head = 0; head < static_cast<size_t>(own.heads); ++head) {
      size_t from = head / group * size;
      Vec p;
      double top = -INFINITY, total = 0;
      for (size_t j = begin; j < there; ++j) {
        double s = 0;
        for (size_t i = 0; i < size; ++i) s += q[head * size + i] * keys_[layer][j][from + i];
        s *= scale;
        p.push_back(c_.scoreCap != 0 ? c_.scoreCap * std::tanh(s / c_.scoreCap) : s);
        top = std::max(top, p.back());
      }
      std::string sinks = "blk." + std::to_string(layer) + ".attn_sinks.weight";
      if (model_.has(sinks)) total += std::exp(double{model_.at(sinks).values[head]} - top);
      for (double& each : p) total += each = std::exp(each - top);
      for (size_t j = 0; j < p.size(); ++j)
        for (size_t i = 0; i < size; ++i) out[head * size + i] += p[j] / total * values_[layer][begin + j][from + i];
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
