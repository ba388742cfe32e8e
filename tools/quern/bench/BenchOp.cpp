// tools/quern/bench/BenchOp.cpp — see BenchOp.h.
#include "tools/quern/bench/BenchOp.h"

#include "tools/quern/bench/BenchPeers.h"
#include "tuner/Contest.h"

#include <fmt/format.h>

namespace quern {

namespace {

constexpr double kSeconds = 0.3;
constexpr double kSettleSeconds = 300e-6;  // beyond what waiting threads spin (Peers.cpp, ThreadPool.cpp)

/// All phases of a call through the pool.
TaskRunner runnerOf(ThreadPool& pool) {
  using Task = std::function<void(int thread, int64_t begin, int64_t end)>;
  return [&pool](int64_t count, const Task& task) {
    auto piece = [](void* context, int thread, int64_t begin, int64_t end) { (*static_cast<const Task*>(context))(thread, begin, end); };
    pool.run(count, piece, const_cast<Task*>(&task));
  };
}

}  // namespace

Result<BenchRow> benchOp(KernelLibrary& library, const OpEntry& entry, const OpBenchSettings& settings) {
  const CommandLine& line = settings.line;
  DimValues dims;
  for (const std::string& name : runtimeDims(entry.op)) dims[name] = 64;
  auto kernels = kernelsFor(library, entry, line, dims);
  if (!kernels) return kernels.error();
  auto plain = library.get(entry.op, defaultSchedule(entry.op, library.target()));
  if (!plain) return plain.error();
  OpDesc bound = fixed(entry.op, dims);
  if (auto fits = checkMemory(bound, settings.peers.empty() ? 3 : 5); !fits) return fits.error();
  int threads = worthSharing(flopsOf(bound)) ? settings.pool.threads() : 1;
  TimingOperands operands(entry.op, dims, settings.stop);
  auto call = operands.bind(*kernels, threads), other = operands.bind(*plain, threads);
  if (!call) return call.error();
  if (!other) return other.error();
  TaskRunner runner = runnerOf(settings.pool), pieces = inPieces(settings.stop);
  auto timed = [&](KernelCall& one) -> TimedCall {
    if (threads > 1) return [&] { one.run(runner); };
    constexpr double kManyFlops = 1e9;  // some hundredths of a second
    if (flopsOf(bound) > kManyFlops) return [&] { one.run(pieces); };
    return [&] { one.run(); };
  };
  TimedCall ours = timed(*call), theDefault = timed(*other);
  PairTiming timing = timePair(theDefault, ours, kSeconds, 1e9, {}, settings.stop);
  if (settings.stop.asked()) return stoppedError(text(entry.op));
  BenchRow row;
  row.op = text(entry.op);
  row.cpu = library.target().name;
  row.threads = threads;
  row.schedule = kernels->info().schedule;
  row.scheduleFrom = kernels->from;
  row.warmNs = timing.b;
  row.tunedSpeedup = 1 / timing.ratio.median;
  if (!dims.empty()) row.note = "at 64 each";
  setRate(row, bound, settings.ceilings);
  holdAgainstOrRaise(row, settings.ceilings, library.target(), settings.stop);
  int given = settings.pool.threads();  // a peer decides for itself what is worth sharing
  benchAgainst(row, settings.peers, bound, operands, ours, {given, kSeconds, given > 1 ? kSettleSeconds : 0, settings.stop});
  if (settings.stop.asked()) return stoppedError(text(entry.op));
  return row;
}

}  // namespace quern
