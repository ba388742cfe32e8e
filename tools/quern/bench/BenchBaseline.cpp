// tools/quern/bench/BenchBaseline.cpp — see BenchBaseline.h. The models' loop: BenchRecorded.cpp.
#include "tools/quern/bench/BenchBaseline.h"

#include "tools/quern/bench/Allocations.h"
#include "tools/quern/bench/BenchRecorded.h"
#include "tools/recorded/Scope.h"

#include <fmt/format.h>

namespace quern {

namespace {

constexpr int kFreshScopes = 20;
constexpr double kWarmSeconds = 0.15;

double msSince(double start) { return (nowSeconds() - start) * 1e3; }

/// Kernels from `from`, with the schedules that `chooser` has.
KernelProvider providerOf(KernelLibrary& from, const KernelLibrary& chooser, const std::string& wanted) {
  return [&from, &chooser, wanted](const OpDesc& op) -> Result<KernelSet> {
    auto choice = chooser.choose(op, wanted);
    if (!choice) return choice.error();
    return from.kernels(op, *choice);
  };
}

/// Getting the kernels, then the calls; recorded warm-ups run between, outside the clock.
Result<double> scopeMs(Scope& scope, const KernelProvider& kernels, bool countKernels) {
  double start = nowSeconds();
  if (auto good = scope.prepare(kernels); !good) return good.error();
  double kernelsMs = countKernels ? msSince(start) : 0;
  scope.warmUp();
  start = nowSeconds();
  scope.run();
  return kernelsMs + msSince(start);
}

class Bench {
public:
  Bench(KernelLibrary& library, const RecordFile& baseline, Ceilings& ceilings, const BenchSettings& settings)
      : library_(library),
        baseline_(baseline),
        ceilings_(ceilings),
        settings_(settings),
        ready_(providerOf(library, library, settings.schedule)) {
    run_.record = baseline;
    run_.record.rows.clear();
    run_.record.models.clear();
    run_.record.derived.clear();
    run_.record.name = baseline.name + ", this run";
    run_.record.machine = run_.record.cpu = library.target().model;
    run_.record.ownColumn = "run";
    run_.record.ceilings = columnsOf(ceilings);
    for (Columns* totals :
         {&run_.record.runtimeMs, &run_.record.allocatedMib, &run_.record.runtimeMsDisjoint, &run_.record.allocatedMibDisjoint})
      totals->clear();
  }

  Result<BaselineRun> run() {
    size_t all = baseline_.rows.size() + baseline_.models.size(), done = 0;
    for (const RecordRow& row : baseline_.rows) {
      if (settings_.stop.asked()) break;
      if (settings_.progress) settings_.progress(row.id, done++, all);
      if (auto good = benchRow(row); !good && !settings_.stop.asked()) return good.error();
    }
    for (const RecordModel& model : baseline_.models) {
      if (settings_.stop.asked()) break;
      if (settings_.progress) settings_.progress(model.id, done++, all);
      if (auto good = benchModel(model); !good && !settings_.stop.asked()) return good.error();
    }
    total();
    return std::move(run_);
  }

private:
  Result<void> benchRow(const RecordRow& row) {
    auto scope = makeScope(row, baseline_.seed);
    if (!scope) return scope.error();
    BenchRow out;
    out.id = row.id;
    out.op = row.op.empty() ? row.workload : row.op;
    out.recordedMs = row.ms;
    out.cpu = library_.target().name;
    KernelLibrary empty(library_.target(), {});
    auto cold = scopeMs(*scope, providerOf(empty, library_, settings_.schedule), true);
    if (!cold) return cold.error();
    out.coldMs = *cold;
    // Fills the cache and makes the kernels ready.
    if (auto good = scope->prepare(ready_); !good) return good;
    if (library_.cache().enabled()) {
      KernelLibrary filled(library_.target(), library_.cache().directories());
      auto first = scopeMs(*scope, providerOf(filled, library_, settings_.schedule), true);
      if (!first) return first.error();
      out.firstMs = *first;
    }
    std::vector<double> scopes;
    for (int i = 0; i < kFreshScopes; ++i) {
      if (settings_.stop.asked()) return {};
      auto fresh = makeScope(row, baseline_.seed);
      if (!fresh) return fresh.error();
      int64_t before = 0;
      auto took = scopeMs(*fresh, ready_, false);
      if (!took) return took.error();
      scopes.push_back(*took);
      if (i > 0) continue;
      before = allocatedBytes();
      fresh->run();
      out.allocatedBytes = allocatedBytes() - before;
      for (const std::string& message : fresh->wrong()) run_.wrong.push_back(message);
    }
    Spread spread = spreadOf(scopes);
    out.scopeMs = spread.median;
    if (auto good = warm(row, *scope, out); !good) return good;
    if (settings_.stop.asked()) return {};
    record(row, out, spread);
    run_.rows.push_back(std::move(out));
    return {};
  }

  /// One warm call, alternating with the default schedule's.
  Result<void> warm(const RecordRow& row, Scope& scope, BenchRow& out) {
    auto other = makeScope(row, baseline_.seed);
    if (!other) return other.error();
    if (auto good = other->prepare(providerOf(library_, library_, "default")); !good) return good;
    if (auto good = scope.prepare(ready_); !good) return good;
    PairTiming timing = timePair([&] { other->call(); }, [&] { scope.call(); }, kWarmSeconds, 1e9, {}, settings_.stop);
    out.warmNs = timing.b;
    out.tunedSpeedup = 1 / timing.ratio.median;
    if (const std::optional<OpDesc>& op = scope.op) {
      auto choice = library_.choose(*op, settings_.schedule);
      if (!choice) return choice.error();
      out.schedule = text(choice->schedule);
      out.scheduleFrom = choice->from;
      setRate(out, *op, ceilings_);
    } else {
      out.scheduleFrom = "tuned or default";
      out.rate = scope.flops / out.warmNs.median;
      out.rateUnit = "GFLOPS";
      out.leastNs = [flops = scope.flops](const Ceilings& of) { return of.fmaGflops > 0 ? flops / of.fmaGflops : 0; };
    }
    holdAgainstOrRaise(out, ceilings_, library_.target(), settings_.stop);
    return {};
  }

  void record(const RecordRow& row, const BenchRow& out, const Spread& scope) {
    RecordRow own = row;
    own.ms = {{"run", *out.scopeMs}};
    own.allocatedMib = {{"run", static_cast<double>(out.allocatedBytes) / (1 << 20)}};
    own.otherFormMs.clear();
    own.samplesPerS.clear();
    if (row.samplesPerCall > 0) own.samplesPerS = {{"run", static_cast<double>(row.samplesPerCall * row.calls) / (*out.scopeMs / 1e3)}};
    own.noisePercent = scope.median > 0 ? 50 * (scope.high - scope.low) / scope.median : 0;
    run_.record.rows.push_back(std::move(own));
  }

  Result<void> benchModel(const RecordModel& model) {
    auto loop = RecordedLoop::make(model, baseline_.seed, library_, settings_.schedule, settings_.threads);
    if (!loop) return loop.error();
    for (const std::string& message : (*loop)->wrong()) run_.wrong.push_back(message);
    for (bool cached : {false, true}) {
      auto row = benchRecorded(**loop, cached, library_, ceilings_, settings_.stop);
      if (!row) return row.error();
      if (settings_.stop.asked()) return {};
      if (!cached) {
        RecordModel own = model;
        own.ms = {{"run", *row->scopeMs}};
        own.tokensPerS = {{"run", *row->tokensPerS}};
        own.createMs = {{"run", (*loop)->createMs()}};
        own.allocatedMibPerToken = {{"run", static_cast<double>(row->allocatedBytes) / (1 << 20) / static_cast<double>(model.steps)}};
        own.arenaBytes = static_cast<double>((*loop)->memory().arenaBytes);
        own.unsharedBytes = static_cast<double>((*loop)->memory().unsharedBytes);
        run_.record.models.push_back(std::move(own));
      }
      run_.rows.push_back(std::move(*row));
    }
    return {};
  }

  /// The disjoint totals: rows that count, models, and making the models. The ceilings as they are at the end.
  void total() {
    run_.record.ceilings = columnsOf(ceilings_);
    double ms = 0, mib = 0;
    for (const RecordRow& row : run_.record.rows) {
      if (!row.inTotals) continue;
      ms += row.ms.at("run");
      mib += row.allocatedMib.at("run");
    }
    for (const RecordModel& model : run_.record.models) {
      ms += model.ms.at("run") + model.createMs.at("run");
      mib += model.allocatedMibPerToken.at("run") * static_cast<double>(model.steps);
    }
    run_.record.runtimeMsDisjoint = {{"run", ms}};
    run_.record.allocatedMibDisjoint = {{"run", mib}};
  }

  KernelLibrary& library_;
  const RecordFile& baseline_;
  Ceilings& ceilings_;
  const BenchSettings& settings_;
  KernelProvider ready_;
  BaselineRun run_;
};

}  // namespace

Result<BaselineRun> benchBaseline(KernelLibrary& library, const RecordFile& baseline, Ceilings& ceilings, const BenchSettings& settings) {
  return Bench(library, baseline, ceilings, settings).run();
}

std::string baselineFooter(const RecordFile& baseline, const BaselineRun& run, const Target& target) {
  auto sum = [](const Columns& columns, const char* name) {
    return columns.count(name) != 0 ? fmt::format("{:.5g} ms", columns.at(name)) : std::string("-");
  };
  std::string out = fmt::format("\ntotal of the scopes that do not overlap: {} (recorded: baseline {}, current {}, best {})\n",
                                sum(run.record.runtimeMsDisjoint, "run"), sum(baseline.runtimeMsDisjoint, "baseline"),
                                sum(baseline.runtimeMsDisjoint, "current"), sum(baseline.runtimeMsDisjoint, "best"));
  out += fmt::format(
      "cold   an empty cache: lowering, LLVM and linking counted (not loading the generator, once per process)\n"
      "first  a filled cache: reading, checking and mapping the kernel counted\n"
      "scope  kernels ready: what the recorded ms covers (all calls of the row, its warm-ups before the clock); the median of {} fresh "
      "scopes\n"
      "warm   one call, operands hot, alternating with the default schedule (vs default: above 1 the schedule in use is faster)\n"
      "The recorded figures are whole scopes on another machine ({}) and include that system's own JIT on first calls.\n"
      "Rows ending in -kv decode with a key/value cache, which the recording did not: they have no recorded figure. Their ceiling: the "
      "prompt's flops, then for each token the bytes of weights and cache.\n"
      "This machine: {}, {} (measured in this run: {:.4g} GFLOPS fma, one thread)\n",
      kFreshScopes, baseline.machine, target.model, target.level,
      run.record.ceilings.count("fma_f32_gflops") != 0 ? run.record.ceilings.at("fma_f32_gflops") : 0);
  return out;
}

}  // namespace quern
