// tuner/measure/Ceilings.cpp — see Ceilings.h.
#include "tuner/measure/Ceilings.h"

#include "compiler/base/Thread.h"
#include "compiler/target/HostMemory.h"
#include "tuner/measure/Probes.h"
#include "tuner/measure/TileSpeed.h"
#include "tuner/measure/Timing.h"

#include <algorithm>
#include <barrier>
#include <cmath>
#include <memory>
#include <numeric>
#include <sys/mman.h>
#include <vector>

namespace quern {

namespace {

/// Pages that the system may back with huge ones, touched.
std::shared_ptr<float> hugeFloats(size_t floats) {
  size_t bytes = floats * sizeof(float);
  void* pages = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return nullptr;
  ::madvise(pages, bytes, MADV_HUGEPAGE);
  std::fill_n(static_cast<float*>(pages), floats, 1.0f);
  return {static_cast<float*>(pages), [bytes](float* dead) { ::munmap(dead, bytes); }};
}

/// The best of some blocks: a ceiling is what was reached once, not on average.
double bestRate(double perCall, const TimedCall& call, double seconds, const Stop& stop) {
  double best = 0;
  double start = nowSeconds();
  int64_t calls = calibrate(call, 100e-6, stop);
  do {
    double begin = nowSeconds();
    for (int64_t i = 0; i < calls; ++i) call();
    best = std::max(best, perCall * static_cast<double>(calls) / (nowSeconds() - begin));
  } while (nowSeconds() - start < seconds && !stop.asked());
  return best;
}

/// Memory for one measurement: of four times the last level, at most 128 MiB and a quarter of what is to be had.
size_t streamBytes(const Target& target) {
  constexpr double kLeast = 0x1p22, kMost = 0x1p27;
  double quarter = static_cast<double>(hostMemory().freeBytes) / 4;
  return static_cast<size_t>(std::clamp(std::min(4 * static_cast<double>(target.l3Bytes), quarter), kLeast, kMost));
}

/// Reads and copies of so much data at a time.
class Streams {
public:
  Streams(const Target& target, const Stop& stop) : probe_(probeOf(target)), stop_(stop), bytes_(streamBytes(target)) {
    memory_ = hugeFloats(bytes_ / sizeof(float));
  }

  bool there() const { return memory_ != nullptr; }
  /// Both rates of one level of `ceilings`, where they are above what is there.
  void measure(Ceilings& ceilings, size_t level, double bytes, double seconds) const {
    constexpr double kLeast = 4096, kPerCall = 0x1p20;  // so much in one call, whatever the level: its beginning and end do not count
    size_t used = std::min(static_cast<size_t>(std::max(kLeast, bytes)), bytes_) / 2048 * 2048;
    size_t floats = used / sizeof(float), half = floats / 2 / 256 * 256;
    auto rounds = static_cast<int64_t>(std::max(1.0, kPerCall / static_cast<double>(used)));
    auto moved = static_cast<double>(rounds * static_cast<int64_t>(sizeof(float)));
    float* at = memory_.get();
    volatile float sink = 0;
    double read = bestRate(moved * static_cast<double>(floats), [&] { sink = probe_.read(at, floats, rounds); }, seconds, stop_);
    double copy = bestRate(moved * static_cast<double>(2 * half), [&] { probe_.copy(at, at + half, half, rounds); }, seconds, stop_);
    ceilings.readGBs[level] = std::max(ceilings.readGBs[level], read / 1e9);
    ceilings.copyGBs[level] = std::max(ceilings.copyGBs[level], copy / 1e9);
  }

private:
  Probe probe_;
  const Stop& stop_;
  size_t bytes_;
  std::shared_ptr<float> memory_;
};

}  // namespace

Ceilings Ceilings::withSlowTiles() const {
  Ceilings slow = *this;
  if (slowTiles > 0) slow.tileGflops *= slowTiles, slow.tileGops *= slowTiles;
  return slow;
}

size_t Ceilings::levelOf(double bytes) const {
  if (bytes <= static_cast<double>(l1Bytes)) return 0;
  if (bytes <= static_cast<double>(l2Bytes)) return 1;
  return bytes <= static_cast<double>(l3Bytes) ? 2 : 3;
}

std::string_view levelName(size_t level) {
  constexpr std::string_view names[] = {"l1", "l2", "l3", "memory"};
  return names[level];
}

/// Both speeds of matrix tiles, as far as they show in this time.
static void measureTiles(Ceilings& ceilings, const Probe& probe, double seconds, const Stop& stop) {
  if (probe.tiles == nullptr) return;
  TileSpeed speed(probe.tiles);
  std::vector<double> rates;
  for (double start = nowSeconds(); nowSeconds() - start < seconds && !stop.asked();) rates.push_back(speed.probe());
  auto split = std::partition(rates.begin(), rates.end(), [&](double rate) { return speed.modeOf(rate) == TileSpeed::Mode::Fast; });
  std::vector<double> slow(split, rates.end());
  if (rates.empty()) return;
  ceilings.tileGflops = *std::max_element(rates.begin(), split);  // operations a nanosecond
  constexpr size_t kFew = 20;                                     // of the probes: an interruption of one is not a speed
  if (slow.size() > rates.size() / kFew) ceilings.slowTiles = spreadOf(slow).median / ceilings.tileGflops;
  if (probe.tileBytes == nullptr) return;
  TileSpeed bytes(probe.tileBytes);
  double most = 0;
  for (double start = nowSeconds(); nowSeconds() - start < seconds && !stop.asked();) most = std::max(most, bytes.probe());
  ceilings.tileGops = most;
}

Ceilings measureCeilings(const Target& target, double seconds, const Stop& stop) {
  Ceilings ceilings;
  ceilings.l1Bytes = target.l1Bytes;
  ceilings.l2Bytes = target.l2Bytes;
  ceilings.l3Bytes = target.l3Bytes;
  double began = nowSeconds(), had = threadSeconds(), each = seconds / 9;
  Probe probe = probeOf(target);
  double operations = probe.fma(1000);
  ceilings.fmaGflops = bestRate(operations, [&] { probe.fma(1000); }, each, stop) / 1e9;
  for (auto [rounds, into] : {std::pair{probe.dots, &ceilings.dotGops}, {probe.pairs, &ceilings.pairGflops}})
    if (rounds != nullptr) *into = bestRate(rounds(1000), [rounds = rounds] { rounds(1000); }, each, stop) / 1e9;
  measureTiles(ceilings, probe, each, stop);
  // Half of each level, so that nothing else there matters; the last level, which others share, also at a size a little above
  // the level before it: the better counts.
  const double l1 = static_cast<double>(target.l1Bytes), l2 = static_cast<double>(target.l2Bytes), l3 = static_cast<double>(target.l3Bytes);
  const std::vector<double> sizes[] = {{l1 / 2}, {l2 / 2}, {std::min(4 * l2, l3 / 2), std::min(l3 / 2, 0x1p24)}, {4 * l3}};
  Streams streams(target, stop);
  if (!streams.there()) return ceilings;
  auto level = [&](size_t which) {
    for (double bytes : sizes[which])
      if (!stop.asked()) streams.measure(ceilings, which, bytes, each / static_cast<double>(sizes[which].size()));
  };
  for (size_t which = 0; which < Ceilings::kLevels; ++which) level(which);
  // A level below the next one had its core taken away meanwhile: again. What stays in it reaches the next one's rate at any rate.
  constexpr double kNoise = 0.97;
  for (size_t which = Ceilings::kLevels - 1; which-- > 0;) {
    bool below =
        ceilings.readGBs[which] < kNoise * ceilings.readGBs[which + 1] || ceilings.copyGBs[which] < kNoise * ceilings.copyGBs[which + 1];
    if (below) level(which);
    ceilings.readGBs[which] = std::max(ceilings.readGBs[which], ceilings.readGBs[which + 1]);
    ceilings.copyGBs[which] = std::max(ceilings.copyGBs[which], ceilings.copyGBs[which + 1]);
  }
  ceilings.coreShare = std::min(1.0, (threadSeconds() - had) / (nowSeconds() - began));
  return ceilings;
}

void raiseTo(Ceilings& ceilings, const Ceilings& again) {
  ceilings.fmaGflops = std::max(ceilings.fmaGflops, again.fmaGflops);
  ceilings.dotGops = std::max(ceilings.dotGops, again.dotGops);
  ceilings.pairGflops = std::max(ceilings.pairGflops, again.pairGflops);
  double slow = std::max(ceilings.slowTiles * ceilings.tileGflops, again.slowTiles * again.tileGflops);
  ceilings.tileGflops = std::max(ceilings.tileGflops, again.tileGflops);
  ceilings.tileGops = std::max(ceilings.tileGops, again.tileGops);
  if (slow > 0) ceilings.slowTiles = slow / ceilings.tileGflops;
  for (size_t level = 0; level < Ceilings::kLevels; ++level) {
    ceilings.readGBs[level] = std::max(ceilings.readGBs[level], again.readGBs[level]);
    ceilings.copyGBs[level] = std::max(ceilings.copyGBs[level], again.copyGBs[level]);
  }
}

MemoryReaders::MemoryReaders(const Target& target, int threads) : target_(target) {
  // Together four times L3, and no part so small that it stays in L2; all at most half of what is to be had.
  double all = std::max(4.0 * static_cast<double>(target.l3Bytes), 0x1p28), part = std::clamp(all / threads, 0x1p26, 0x1p28);
  constexpr double kLeast = 0x1p22;
  part = std::max(kLeast, std::min(part, static_cast<double>(hostMemory().freeBytes) / 2 / threads));
  floats_ = static_cast<size_t>(part) / 2048 * 2048 / sizeof(float);
  for (int i = 0; i < threads; ++i) parts_.push_back(hugeFloats(floats_));
}

double MemoryReaders::readGBs() const {
  Probe probe = probeOf(target_);
  if (std::count(parts_.begin(), parts_.end(), nullptr) > 0) return 0;
  constexpr int kRounds = 9;
  std::barrier together(static_cast<std::ptrdiff_t>(parts_.size()));
  std::vector<double> ends(parts_.size());
  std::vector<float> sums(parts_.size());  // or the reads would be for nothing
  std::vector<double> rates;
  auto work = [&](size_t i) {
    for (int round = 0; round < kRounds; ++round) {
      together.arrive_and_wait();
      double begin = nowSeconds();
      sums[i] += probe.read(parts_[i].get(), floats_, 1);
      ends[i] = nowSeconds();
      together.arrive_and_wait();
      if (i != 0) continue;  // the others wait for the next round, and so for this
      double last = *std::max_element(ends.begin(), ends.end());
      rates.push_back(static_cast<double>(floats_ * parts_.size()) * 4 / (last - begin));
    }
  };
  std::vector<Thread> helpers;
  bool all = true;
  for (size_t i = 1; i < parts_.size(); ++i) {
    auto helper = Thread::start([&work, i] { work(i); });
    if (helper) helpers.push_back(std::move(*helper));
    else together.arrive_and_drop(), all = false;
  }
  work(0);
  for (Thread& helper : helpers) helper.join();
  if (!all) return 0;  // the system gives no more threads: no rate for so many
  return std::isnan(std::accumulate(sums.begin(), sums.end(), 0.0f)) ? 0 : spreadOf(rates).median / 1e9;
}

Ceilings measureCore(const Target& target, double seconds, const Stop& stop) {
  Ceilings core;
  core.l1Bytes = target.l1Bytes;
  std::vector<Probe> probes = probesOf(target);
  size_t floats = std::max<size_t>(1024, static_cast<size_t>(target.l1Bytes) / 2 / sizeof(float) / 512 * 512);
  std::shared_ptr<float> memory = hugeFloats(floats);
  if (memory == nullptr) return core;
  constexpr int64_t kRounds = 64;
  double each = seconds / static_cast<double>(2 * probes.size()), bytes = static_cast<double>(kRounds) * static_cast<double>(floats) * 4;
  volatile float sink = 0;
  for (const Probe& probe : probes) {
    core.fmaGflops = std::max(core.fmaGflops, bestRate(probe.fma(1000), [&] { probe.fma(1000); }, each, stop) / 1e9);
    double rate = bestRate(bytes, [&] { sink = probe.read(memory.get(), floats, kRounds); }, each, stop);
    core.readGBs[0] = std::max(core.readGBs[0], rate / 1e9);
  }
  return core;
}

/// Multiply-adds, two operations each, that no schedule leaves out.
static double productFlops(const OpDesc& op) {
  if (const auto* matmul = std::get_if<MatmulOp>(&op)) {
    double rows = static_cast<double>(matmul->batches()) * static_cast<double>(matmul->m.value);
    return 2 * rows * static_cast<double>(matmul->n.value) * static_cast<double>(matmul->k.value);
  }
  const auto* attention = std::get_if<AttentionOp>(&op);
  if (attention == nullptr) return 0;
  // Of what flops() counts for a pair of query and key.
  double each = 2 * static_cast<double>(attention->headDim.value + attention->valueDim());
  double others = 5.0 + (attention->softcap != 0 ? 3 : 0) + (attention->mask.empty() ? 0 : 1);
  return attention->flops() * each / (each + others);
}

/// What the op's products round their left operand to, and the order of those of bf16.
static std::pair<RoundedTo, PairOrder> roundingOf(const OpDesc& op) {
  if (const auto* matmul = std::get_if<MatmulOp>(&op)) return {matmul->a, matmul->order};
  if (const auto* attention = std::get_if<AttentionOp>(&op)) return {attention->a, attention->order};
  return {RoundedTo::F32, PairOrder::Tile32};
}

/// Operations a second that products of the op's kind reach at most; 0: not measured.
static double productRate(const OpDesc& op, const Ceilings& ceilings) {
  auto [a, order] = roundingOf(op);
  if (a == RoundedTo::I8 && ceilings.tileGops > 0) return ceilings.tileGops;
  if (a == RoundedTo::Q8 || a == RoundedTo::I8) return ceilings.dotGops;
  const auto* matmul = std::get_if<MatmulOp>(&op);
  auto terms = static_cast<double>(matmul == nullptr ? 1 : std::max<size_t>(1, matmul->terms().size()));
  bool pairs = a == RoundedTo::BF16 || a == RoundedTo::F32x3;
  double unit = !pairs ? 0 : order == PairOrder::Pairs ? ceilings.pairGflops : ceilings.tileGflops;
  return (unit > 0 ? unit : ceilings.fmaGflops) / terms;
}

bool multipliesTiles(const OpDesc& op) {
  auto [a, order] = roundingOf(op);
  return a == RoundedTo::I8 || ((a == RoundedTo::BF16 || a == RoundedTo::F32x3) && order == PairOrder::Tile32);
}

double leastNs(const OpDesc& op, const Ceilings& core) {
  if (!(core.fmaGflops > 0 && core.readGBs[0] > 0)) return 0;
  constexpr double kLoads = 1.5;  // three loads a cycle, where the probe's additions are two
  TensorSpec out = outputOf(op);
  auto written = static_cast<double>(bytesOf(out.type, out.elements()));
  // Others look rows of a table up, or leave out what causality hides: how much they read is not known.
  OpClass cls = classOf(op);
  bool all = cls == OpClass::Contraction || cls == OpClass::Pointwise;
  double read = all ? minBytesOf(op) - written : 0;
  bool floats = roundingOf(op).first == RoundedTo::F32;  // only these rates are measured here
  return std::max(floats ? productFlops(op) / core.fmaGflops : 0, std::max(read, written) / (kLoads * core.readGBs[0]));
}

double arithmeticNs(const OpDesc& op, const Ceilings& ceilings) {
  double rate = productRate(op, ceilings), products = productFlops(op);
  if (!(ceilings.fmaGflops > 0)) return 0;
  if (rate == ceilings.fmaGflops) return flopsOf(op) / rate;
  return (rate > 0 ? products / rate : 0) + std::max(0.0, flopsOf(op) - products) / ceilings.fmaGflops;
}

double rooflineNs(const OpDesc& op, const Ceilings& ceilings) {
  double bytes = minBytesOf(op);
  size_t level = ceilings.levelOf(bytes);
  double written = static_cast<double>(outputOf(op).elements()) * 4;
  bool streams = written >= 0.3 * bytes;  // elementwise: a store for every load or two
  double rate = streams ? ceilings.copyGBs[level] : ceilings.readGBs[level];
  if (!(rate > 0 && ceilings.fmaGflops > 0)) return 0;  // not measured
  return std::max(bytes / rate, arithmeticNs(op, ceilings));
}

}  // namespace quern
