// models/Gpt2.cpp — see Gpt2.h.
#include "models/Gpt2.h"

#include "compiler/base/Check.h"
#include "compiler/base/Checked.h"
#include "compiler/store/WeightPacking.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace quern {

namespace {

OpDesc made(const std::string& given) {
  auto op = parseOp(given);
  QUERN_CHECK_FOR(static_cast<bool>(op), given);
  return *op;
}

/// The ops of the architecture, by role. Row counts are run-time, weights' sizes compiled in.
struct Gpt2Ops {
  OpDesc embed, position, norm, qkv, attention, proj, fc1, fc2, head;

  explicit Gpt2Ops(const ModelConfig& c) {
    auto linear = [](int64_t n, int64_t k, const std::string& ep) { return made(fmt::format("matmul m=* n={} k={} tb=1 const=b{}{}", n, k, ep.empty() ? "" : " ep=", ep)); };
    embed = made(fmt::format("embedding t=* v={} d={}", c.vocab, c.width));
    position = made(fmt::format("add a=*x{} b=*x{}", c.width, c.width));
    norm = made(fmt::format("layernorm x=*x{} eps={}", c.width, c.eps));
    qkv = linear(3 * c.width, c.width, "bias");
    attention = made(fmt::format("attention heads={} kv_heads={} head_dim={} q=* kv=* causal=1", c.heads, c.heads, c.headDim()));
    proj = linear(c.width, c.width, "bias+residual");
    fc1 = linear(c.hidden, c.width, "bias+gelu_" + c.gelu);
    fc2 = linear(c.width, c.hidden, "bias+residual");
    head = linear(c.vocab, c.width, "");
  }
};

/// Copies weights into one mapping, linears in their kernel's layout; the first pass only counts.
class WeightMemory {
public:
  explicit WeightMemory(const KernelProvider& kernels) : kernels_(kernels) {}

  void use(HugeMemory memory) {
    memory_ = std::move(memory);
    next_ = 0;
  }
  int64_t bytes() const { return next_; }

  const float* plain(const std::vector<float>& values) {
    float* to = take(static_cast<int64_t>(values.size()));
    if (to != nullptr) std::copy(values.begin(), values.end(), to);
    return to;
  }
  Result<const float*> packed(const OpDesc& op, const Linear& linear) {
    auto kernel = kernels_(op);
    if (!kernel) return kernel.error();
    const PackLayout& layout = (*kernel)->info.buffers[1].pack;
    QUERN_CHECK_FOR(layout.panel > 0, text(op));
    float* to = take(layout.bytes() / 4);
    if (to != nullptr) packWeight(layout, linear.weight.data(), to);
    return static_cast<const float*>(to);
  }

private:
  float* take(int64_t floats) {
    int64_t at = next_;
    next_ += roundUp(floats * 4, 64);
    return memory_.data() == nullptr ? nullptr : reinterpret_cast<float*>(memory_.data() + at);
  }

  const KernelProvider& kernels_;
  HugeMemory memory_;
  int64_t next_ = 0;
};

/// Adds the steps of one model to a plan.
class Gpt2Builder {
public:
  Gpt2Builder(PlanBuilder& plan, WeightMemory& memory, const ModelConfig& config, const Gpt2Weights& weights)
      : plan_(plan), memory_(memory), c_(config), w_(weights), ops_(config) {}

  Result<void> run() {
    PlanBuffer ids = plan_.outside(0), logits = plan_.outside(1);
    PlanBuffer tokens = plan_.constant(memory_.plain(w_.tokens)), positions = plan_.constant(memory_.plain(w_.positions));
    PlanBuffer embedded = plan_.activation(c_.width), x = plan_.activation(c_.width);
    plan_.step({"embed", ops_.embed, {PlanDim::Rows}, {{ids}, {tokens}, {embedded}}});
    plan_.step({"position", ops_.position, {PlanDim::Rows}, {{embedded}, {positions, 0, {}, c_.width, true}, {x}}});
    for (size_t i = 0; i < w_.blocks.size(); ++i)
      if (auto good = block(w_.blocks[i], fmt::format("block{}.", i), x); !good) return good;
    PlanBuffer last = norm("norm", w_.norm, x);
    auto head = memory_.packed(ops_.head, w_.head);
    if (!head) return head.error();
    plan_.step({"head", ops_.head, {PlanDim::Rows}, {rows(last, c_.width), {plan_.constant(*head)}, rows(logits, c_.vocab)}});
    return {};
  }

private:
  static PlanView rows(PlanBuffer buffer, int64_t width) { return {buffer, 0, {width}, 0, false}; }

  PlanBuffer norm(const std::string& name, const LayerNormWeights& w, PlanBuffer x) {
    PlanBuffer out = plan_.activation(c_.width);
    PlanBuffer gain = plan_.constant(memory_.plain(w.gain)), bias = plan_.constant(memory_.plain(w.bias));
    plan_.step({name, ops_.norm, {PlanDim::Rows}, {{x}, {gain}, {bias}, {out}}});
    return out;
  }

  /// out = ep(in W^T + bias [+ residual])
  Result<void> linear(const std::string& name, const OpDesc& op, const Linear& w, PlanBuffer in, const PlanView& out, const PlanBuffer* residual) {
    auto weight = memory_.packed(op, w);
    if (!weight) return weight.error();
    std::vector<PlanView> operands = {rows(in, w.in), {plan_.constant(*weight)}, {plan_.constant(memory_.plain(w.bias))}};
    if (residual != nullptr) operands.push_back(rows(*residual, w.out));
    operands.push_back(out);
    plan_.step({name, op, {PlanDim::Rows}, std::move(operands)});
    return {};
  }

  /// x + Attn(LN(x)), then x + MLP(LN(x)); `x` becomes the block's result.
  Result<void> block(const Gpt2Block& w, const std::string& name, PlanBuffer& x) {
    int64_t d = c_.width, hd = c_.headDim();
    PlanBuffer normed = norm(name + "norm1", w.norm1, x);
    // Queries, keys and values of every position side by side: what this step writes is what later steps attend to.
    PlanBuffer cache = plan_.perPosition(3 * d);
    if (auto good = linear(name + "qkv", ops_.qkv, w.qkv, normed, {cache, 0, {3 * d}, 3 * d, true}, nullptr); !good) return good;
    PlanBuffer attended = plan_.activation(d);
    plan_.step({name + "attention", ops_.attention, {PlanDim::Rows, PlanDim::Positions},
                {{cache, 0, {3 * d, hd}, 3 * d, true}, {cache, d, {3 * d, hd}, 0, false}, {cache, 2 * d, {3 * d, hd}, 0, false}, {attended, 0, {d, hd}, 0, false}}});
    PlanBuffer middle = plan_.activation(d), hidden = plan_.activation(c_.hidden), out = plan_.activation(d);
    if (auto good = linear(name + "proj", ops_.proj, w.proj, attended, rows(middle, d), &x); !good) return good;
    PlanBuffer normed2 = norm(name + "norm2", w.norm2, middle);
    if (auto good = linear(name + "fc1", ops_.fc1, w.fc1, normed2, rows(hidden, c_.hidden), nullptr); !good) return good;
    if (auto good = linear(name + "fc2", ops_.fc2, w.fc2, hidden, rows(out, d), &middle); !good) return good;
    x = out;
    return {};
  }

  PlanBuilder& plan_;
  WeightMemory& memory_;
  const ModelConfig& c_;
  const Gpt2Weights& w_;
  Gpt2Ops ops_;
};

}  // namespace

Workload gpt2Workload(const ModelConfig& c, int64_t rowCount, int64_t past) {
  Gpt2Ops ops(c);
  Workload workload{c.name, {}};
  auto layers = static_cast<double>(c.layers);
  const std::pair<const OpDesc*, double> uses[] = {{&ops.fc1, layers}, {&ops.fc2, layers}, {&ops.qkv, layers},     {&ops.proj, layers},      {&ops.head, 1},
                                                   {&ops.attention, layers}, {&ops.norm, 2 * layers + 1}, {&ops.position, 1}, {&ops.embed, 1}};
  for (auto [op, calls] : uses) {
    WorkloadItem item{*op, {}, calls, CacheState::Hot, 0};
    for (const std::string& name : runtimeDims(*op)) item.sample[name] = name == "kv" ? past + rowCount : rowCount;
    workload.items.push_back(std::move(item));
  }
  return workload;
}

Result<std::unique_ptr<Gpt2>> Gpt2::make(const ModelConfig& config, const Gpt2Weights& weights, const KernelProvider& kernels, int threads) {
  std::unique_ptr<Gpt2> model(new Gpt2);
  model->config_ = config;
  WeightMemory memory(kernels);
  {
    PlanBuilder counting(config.context, config.context);
    if (auto good = Gpt2Builder(counting, memory, config, weights).run(); !good) return good.error();
  }
  auto mapped = HugeMemory::make(memory.bytes());
  if (!mapped) return mapped.error();
  model->weights_ = *mapped;
  memory.use(*mapped);
  PlanBuilder builder(config.context, config.context);
  if (auto good = Gpt2Builder(builder, memory, config, weights).run(); !good) return good.error();
  auto plan = builder.finish(kernels, threads);
  if (!plan) return plan.error();
  model->plan_ = std::move(*plan);
  return model;
}

Result<void> Gpt2::forward(std::span<const int32_t> ids, int64_t past, float* logits) {
  auto rows = static_cast<int64_t>(ids.size());
  if (past < 0 || rows > config_.context - past) return badInput(fmt::format("{}: positions {} to {} are outside its context of {}", config_.name, past, past + rows, config_.context));
  for (int32_t id : ids)
    if (id < 0 || id >= config_.vocab) return badInput(fmt::format("{}: token {} is outside its vocabulary of {}", config_.name, id, config_.vocab));
  plan_->run({rows, past}, {ids.data(), logits, nullptr, nullptr});
  return {};
}

}  // namespace quern
