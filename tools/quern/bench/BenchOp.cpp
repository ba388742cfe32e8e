// tools/quern/bench/BenchOp.cpp — see BenchOp.h.
#include "tools/quern/bench/BenchOp.h"

#include "tools/quern/bench/BenchPeers.h"
#include "tools/quern/bench/PoolRunner.h"
#include "tuner/check/TimingOperands.h"

#include <fmt/format.h>

namespace quern {

namespace {

constexpr double kSeconds = 0.3;
constexpr double kSettleSeconds = 300e-6;  // beyond what waiting threads spin (Peers.cpp, ThreadPool.cpp)

/// How an op of these flops is called: by the whole pool where it is worth sharing, in pieces where a call is long.
class Caller {
public:
  Caller(const OpDesc& bound, const OpBenchSettings& settings)
      : flops_(flopsOf(bound)), runner_(runnerOf(settings.pool)), pieces_(inPieces(settings.stop)) {
    threads_ = worthSharing(flops_) ? settings.pool.threads() : 1;
  }
  int threads() const { return threads_; }
  TimedCall operator()(KernelCall& one) const {
    if (threads_ > 1) return [&] { one.run(runner_); };
    constexpr double kManyFlops = 1e9;  // some hundredths of a second
    if (flops_ > kManyFlops) return [&] { one.run(pieces_); };
    return [&] { one.run(); };
  }

private:
  double flops_;
  int threads_ = 1;
  TaskRunner runner_, pieces_;
};

/// Run-time dimensions are 64 each.
DimValues sampleOf(const OpDesc& op) {
  DimValues dims;
  for (const std::string& name : runtimeDims(op)) dims[name] = 64;
  return dims;
}

}  // namespace

Result<BenchRow> benchOp(KernelLibrary& library, const OpEntry& entry, const OpBenchSettings& settings) {
  const CommandLine& line = settings.line;
  DimValues dims = sampleOf(entry.op);
  auto kernels = kernelsFor(library, entry, line, dims);
  if (!kernels) return kernels.error();
  auto plain = library.get(entry.op, defaultSchedule(entry.op, library.target()));
  if (!plain) return plain.error();
  OpDesc bound = fixed(entry.op, dims);
  if (auto fits = checkMemory(bound, settings.peers.empty() ? 3 : 5); !fits) return fits.error();
  Caller timed(bound, settings);
  TimingOperands operands(entry.op, dims, settings.stop);
  auto call = operands.bind(*kernels, timed.threads()), other = operands.bind(*plain, timed.threads());
  if (!call) return call.error();
  if (!other) return other.error();
  TimedCall ours = timed(*call), theDefault = timed(*other);
  TileSpeed speed = multipliesTiles(bound) ? TileSpeed::of(library.target()) : TileSpeed();
  PairTiming timing = timePair(theDefault, ours, kSeconds, 1e9, {}, settings.stop, &speed);
  if (settings.stop.asked()) return stoppedError(text(entry.op));
  BenchRow row;
  row.op = text(entry.op);
  row.cpu = library.target().name;
  row.threads = timed.threads();
  row.schedule = kernels->info().schedule;
  row.scheduleFrom = kernels->from;
  row.warmNs = timing.b;
  row.atSpeeds = timing.atSpeeds;
  row.tunedSpeedup = 1 / timing.ratio.median;
  if (!dims.empty()) row.note = "at 64 each";
  setRate(row, bound, settings.ceilings);
  holdAgainstOrRaise(row, settings.ceilings, library.target(), settings.stop);
  int given = settings.pool.threads();  // a peer decides for itself what is worth sharing
  benchAgainst(row, settings.peers, bound, operands, ours, {given, kSeconds, given > 1 ? kSettleSeconds : 0, settings.stop, &speed});
  if (settings.stop.asked()) return stoppedError(text(entry.op));
  return row;
}

std::string_view TwoSchedules::verdict() const {
  if (timing.ratio.high < 1) return "the second is faster";
  return timing.ratio.low > 1 ? "the first is faster" : "no difference";
}

Result<TwoSchedules> benchTwo(KernelLibrary& library, const OpEntry& entry, std::span<const std::string> schedules,
                              const OpBenchSettings& settings) {
  constexpr double kLong = 1.5;
  DimValues dims = sampleOf(entry.op);
  OpDesc bound = fixed(entry.op, dims);
  if (auto fits = checkMemory(bound, 3); !fits) return fits.error();
  Caller timed(bound, settings);
  TwoSchedules two{text(entry.op), library.target().name, {}, timed.threads(), {}};
  TimingOperands operands(entry.op, dims, settings.stop);
  std::vector<KernelCall> calls;
  for (size_t i = 0; i < two.schedules.size(); ++i) {
    auto kernels = library.kernels(entry.op, schedules[i]);
    if (!kernels) return kernels.error();
    two.schedules[i] = kernels->info().schedule;
    auto call = operands.bind(*kernels, timed.threads());
    if (!call) return call.error();
    calls.push_back(std::move(*call));
  }
  TileSpeed speed = multipliesTiles(bound) ? TileSpeed::of(library.target()) : TileSpeed();
  two.timing = timePair(timed(calls[0]), timed(calls[1]), kLong, 1e9, {}, settings.stop, &speed);
  if (settings.stop.asked()) return stoppedError(two.op);
  return two;
}

std::string text(const TwoSchedules& two) {
  auto line = [&](std::string_view name, const std::string& schedule, const Spread& ns) {
    return fmt::format("{:<7} {:>10.4g} us [{:.4g}, {:.4g}]  {}\n", name, ns.median * 1e-3, ns.low * 1e-3, ns.high * 1e-3, schedule);
  };
  const Spread& ratio = two.timing.ratio;
  return fmt::format("{} on {}, {} thread{}\n{}{}second over first {:.4f} [{:.4f}, {:.4f}] (95 %): {}\n", two.op, two.cpu, two.threads,
                     two.threads == 1 ? "" : "s", line("first", two.schedules[0], two.timing.a),
                     line("second", two.schedules[1], two.timing.b), ratio.median, ratio.low, ratio.high, two.verdict());
}

Json jsonOf(const TwoSchedules& two) {
  auto spread = [](const Spread& s) { return Json{{"median", s.median}, {"low", s.low}, {"high", s.high}}; };
  return {{"op", two.op},
          {"cpu", two.cpu},
          {"threads", two.threads},
          {"first", {{"schedule", two.schedules[0]}, {"ns", spread(two.timing.a)}}},
          {"second", {{"schedule", two.schedules[1]}, {"ns", spread(two.timing.b)}}},
          {"ratio", spread(two.timing.ratio)},
          {"verdict", two.verdict()}};
}

}  // namespace quern
