// tools/quern/bench/ModelBench.cpp — see ModelBench.h.
#include "tools/quern/bench/ModelBench.h"

#include "compiler/base/Check.h"
#include "compiler/base/Text.h"
#include "models/TextEncoder.h"
#include "tools/quern/bench/Allocations.h"
#include "tools/quern/cli/ModelRun.h"
#include "tools/quern/cli/Progress.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <optional>
#include <set>

namespace quern {

namespace {

constexpr double kModelSeconds = 2.0;

/// "bundle, default": where the schedules of its kernels come from.
std::string schedulesOf(const Model& model) {
  std::set<std::string> from;
  for (const auto& [step, kernels] : model.plan()->kernels()) from.insert(kernels.from);
  return fmt::format("{}", fmt::join(from, ", "));
}

TileSpeed speedOf(const Model& model, const Target& target) {
  TileSpeed speed;
  for (const auto& [step, kernels] : model.plan()->kernels())
    if (kernels.info().contract.find("amx-tile") != std::string::npos) speed = TileSpeed::of(target);
  return speed;
}

/// One model being timed.
class ModelTimes {
public:
  ModelTimes(Session& model, const ForwardCost& cost, const ModelBenchPlan& plan, std::function<bool()> stopped)
      : model_(model), cost_(cost), plan_(plan), stopped_(std::move(stopped)), logits_(static_cast<size_t>(model.config().vocab)) {
    for (int64_t i = 0; i < model.context(); ++i) ids_.push_back(static_cast<int32_t>(i * 7919 % model.config().vocab));
  }

  /// `bytesPerSecond`: of the level that the weights are read from, measured now.
  BenchRow row(bool prompt, const std::function<double()>& bytesPerSecond, int threads, TileSpeed& speed) {
    int64_t depth = std::min(plan_.depth, model_.context() - 1), asked = prompt ? plan_.prefill : plan_.decode,
            back = depth > 0 ? model_.model().plan()->goesBack() : asked, count = std::min({asked, model_.context() - depth, back});
    auto run = [&] { forward(prompt, depth, count); };
    BenchRow row;
    row.id = fmt::format("{}{}{}", prompt ? "pp" : "tg", count, depth > 0 ? fmt::format("@d{}", depth) : "");
    row.op = model_.config().name;
    row.threads = threads;
    row.scheduleFrom = schedulesOf(model_.model());
    if (count < asked && count == back) row.note = fmt::format("cut to {}: caches of layers with windows go back no further", back);
    else if (count < asked || depth < plan_.depth) row.note = fmt::format("cut to the context of {}", model_.context());
    if (depth > 0) check(model_.forward(std::span(ids_).first(static_cast<size_t>(depth)), 0, 0, nullptr));
    run();
    int64_t before = allocatedBytes();
    run();
    row.allocatedBytes = allocatedBytes() - before;
    double bytes = model_.model().decodeBytes() + model_.model().cacheBytes(depth + count / 2);
    if (prompt) {
      row.warmNs = timeCall(run, kModelSeconds, {}, &speed, &row.atSpeeds);
      row.leastNs = [cost = cost_, sizes = ForwardSizes{count, depth, 1}, threads](const Ceilings& of) {
        return cost.sum(sizes, [&](const OpDesc& bound) { return arithmeticNs(bound, of); }) / threads;
      };
    } else {
      row.ceilingPercent = timeBeside(row, run, [&] { return bytes * static_cast<double>(count) / bytesPerSecond(); });
      if (!std::isfinite(row.ceilingPercent)) row.ceilingPercent = 0;  // no memory to measure the rate with
    }
    row.tokensPerS = static_cast<double>(count) / (row.warmNs.median / 1e9);
    row.rate = *row.tokensPerS;
    row.rateUnit = "tokens/s";
    return row;
  }

private:
  /// Runs and ceilings in turn, for both drift: the median of the ratios in percent. `leastSeconds`: what a run takes at the ceiling.
  double timeBeside(BenchRow& row, const std::function<void()>& run, const std::function<double()>& leastSeconds) {
    std::vector<double> times, percents;
    for (double start = nowSeconds(); !stopped_() && (times.size() < 5 || nowSeconds() - start < kModelSeconds);) {
      double begin = nowSeconds();
      run();
      times.push_back((nowSeconds() - begin) * 1e9);
      percents.push_back(100 * leastSeconds() * 1e9 / times.back());
    }
    if (times.empty()) return 0;
    row.warmNs = spreadOf(times);
    return spreadOf(percents).median;
  }

  static void check(const Result<int64_t>& done) { QUERN_CHECK(static_cast<bool>(done)); }

  /// Does nothing any more once it is to stop: what is timed then is thrown away.
  void forward(bool prompt, int64_t depth, int64_t count) {
    std::span<const int32_t> ids = std::span(ids_).subspan(static_cast<size_t>(depth), static_cast<size_t>(count));
    if (prompt && !stopped_()) check(model_.forward(ids, depth, 1, logits_.data()));
    for (int64_t i = 0; !prompt && i < count && !stopped_(); ++i)
      check(model_.forward(ids.subspan(static_cast<size_t>(i), 1), depth + i, 1, logits_.data()));
  }

  Session& model_;
  const ForwardCost& cost_;
  const ModelBenchPlan& plan_;
  std::function<bool()> stopped_;
  std::vector<float> logits_;
  std::vector<int32_t> ids_;
};

/// 64 texts of 8 to 256 tokens, the context permitting, in no order.
std::vector<std::vector<int32_t>> textsFor(const Model& model) {
  constexpr int64_t kTexts = 64, kShort = 8, kLong = 256;
  std::vector<std::vector<int32_t>> texts(kTexts);
  int32_t id = 0;
  for (int64_t i = 0; i < kTexts; ++i) {
    int64_t tokens = std::min(model.context(), kShort + i * 37 % kTexts * (kLong - kShort) / (kTexts - 1));
    for (int64_t t = 0; t < tokens; ++t, id += 7919)
      texts[static_cast<size_t>(i)].push_back(static_cast<int32_t>(id % model.config().vocab));
  }
  return texts;
}

Result<BenchRow> encoderRow(std::shared_ptr<const Model> model, const ForwardCost& cost, const BenchSettings& settings, TileSpeed& speed) {
  auto encoder = TextEncoder::make(model, settings.threads);
  if (!encoder) return encoder.error();
  const std::vector<std::vector<int32_t>> texts = textsFor(*model);
  std::vector<float> vectors(texts.size() * static_cast<size_t>(model->config().width));
  // The first pass makes what it needs, which may not be to be had.
  if (auto done = (*encoder)->encode(texts, true, vectors.data()); !done) return done.error();
  auto run = [&] {
    if (!settings.stop.asked()) QUERN_CHECK(static_cast<bool>((*encoder)->encode(texts, true, vectors.data())));
  };
  BenchRow row;
  row.id = fmt::format("emb{}", texts.size());
  row.op = model->config().name;
  row.threads = settings.threads;
  row.scheduleFrom = schedulesOf(*model);
  int64_t before = allocatedBytes();
  run();
  row.allocatedBytes = allocatedBytes() - before;
  row.warmNs = timeCall(run, kModelSeconds, {}, &speed, &row.atSpeeds);
  size_t tokens = 0;
  for (const auto& text : texts) tokens += text.size();
  row.leastNs = [cost, texts, threads = settings.threads](const Ceilings& of) {
    double sum = 0;
    for (const auto& text : texts) {
      auto rows = static_cast<int64_t>(text.size());
      sum += cost.sum({rows, 0, rows}, [&](const OpDesc& bound) { return arithmeticNs(bound, of); });
    }
    return sum / threads;
  };
  row.tokensPerS = static_cast<double>(tokens) / (row.warmNs.median / 1e9);
  row.rate = static_cast<double>(texts.size()) / (row.warmNs.median / 1e9);
  row.rateUnit = "texts/s";
  return row;
}

}  // namespace

Result<std::vector<BenchRow>> benchModel(const KernelProvider& provider, const Target& target, ModelSource source,
                                         const ModelBenchPlan& plan, const Ceilings& ceilings, const BenchSettings& settings) {
  ModelOptions options;
  options.threads = settings.threads;
  options.kvType = plan.kvType;
  options.context = std::min(
      source.config.context,
      plan.depth + std::max({plan.prefill, plan.decode, int64_t{1}}));  // a model made for many positions is timed with those it needs
  std::optional<ProgressBar> bar(std::in_place, settings.progress != nullptr, "loading", humanBytes);
  options.progress = [&](double done, double total) { bar->show(done, total); };
  auto cost = ForwardCost::of(source);
  if (!cost) return cost.error();
  if (source.config.encoder) {
    options.context = 0;
    auto model = Model::load(std::move(source), provider, options);
    bar.reset();
    if (!model) return model.error();
    TileSpeed speed = speedOf(**model, target);
    auto row = encoderRow(std::move(*model), *cost, settings, speed);
    if (!row) return row.error();
    row->cpu = target.name;
    return settings.stop.asked() ? std::vector<BenchRow>() : std::vector{std::move(*row)};
  }
  auto model = Session::load(std::move(source), provider, options);
  if (!model) return model.error();
  bar.reset();
  // What fits in a cache is read from there, by each thread.
  size_t level = ceilings.levelOf((*model)->model().decodeBytes());
  std::optional<MemoryReaders> memory;
  if (level == 3) memory.emplace(target, settings.threads);
  auto bandwidth = [&] { return 1e9 * (memory ? memory->readGBs() : ceilings.readGBs[level] * settings.threads); };
  auto stopped = [&] { return settings.stop.asked(); };
  ModelTimes bench(**model, *cost, plan, stopped);
  std::vector<BenchRow> rows;
  TileSpeed speed = speedOf((*model)->model(), target);
  for (bool prompt : {true, false}) {
    if ((prompt ? plan.prefill : plan.decode) == 0) continue;
    BenchRow row = bench.row(prompt, bandwidth, settings.threads, speed);
    if (stopped()) break;
    row.cpu = target.name;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace quern
