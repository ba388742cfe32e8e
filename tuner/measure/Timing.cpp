// tuner/measure/Timing.cpp — see Timing.h.
#include "tuner/measure/Timing.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <thread>

namespace quern {

double threadSeconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

static double blockSeconds(const TimedCall& call, int64_t calls) {
  double start = nowSeconds();
  for (int64_t i = 0; i < calls; ++i) call();
  return nowSeconds() - start;
}

int64_t calibrate(const TimedCall& call, double atLeast, const Stop& stop) {
  call();  // code and data into the caches
  for (int64_t calls = 1;; calls *= 2)
    if (stop.asked() || blockSeconds(call, calls) >= atLeast || calls >= int64_t{1} << 30) return calls;
}

namespace {

constexpr size_t kFewest = 5;  // blocks that have a median

/// Blocks that were timed, apart by the speed of matrix tiles around each.
class Blocks {
public:
  explicit Blocks(TileSpeed* speed) : speed_(speed != nullptr && speed->watches() ? speed : nullptr) {}

  /// Before the first block, and after each.
  void look() {
    if (speed_ != nullptr) around_.push_back(speed_->probe());
  }
  /// What was timed between the last looks counts, if they saw one speed; b and ratio: of one thing, none.
  bool add(double a, double b) {
    double least = around_.empty() ? 0 : *std::min_element(around_.begin(), around_.end());
    bool one = TileSpeed::alike(around_);
    around_.clear();
    if (!one) return false;
    all_.push_back({a, b, least});
    return true;
  }
  size_t count() const { return all_.size(); }
  double medianRatio() const {
    std::vector<double> ratios;
    for (const Block& block : all_) ratios.push_back(block.b / block.a);
    return spreadOf(std::move(ratios)).median;
  }
  /// By speed, most blocks first; all as one where nothing is watched. Which speed a block had is known at the end: the faster may come
  /// late.
  std::vector<AtSpeed> bySpeed() const {
    std::vector<AtSpeed> found;
    for (TileSpeed::Mode mode : {TileSpeed::Mode::Fast, TileSpeed::Mode::Slow}) {
      std::vector<double> as, bs, ratios;
      for (const Block& block : all_) {
        if ((speed_ == nullptr ? TileSpeed::Mode::Fast : speed_->modeOf(block.rate)) != mode) continue;
        as.push_back(block.a), bs.push_back(block.b), ratios.push_back(block.b / block.a);
      }
      size_t blocks = as.size();
      if (blocks > 0) found.push_back({mode, blocks, spreadOf(std::move(as)), spreadOf(std::move(bs)), spreadOf(std::move(ratios))});
    }
    std::stable_sort(found.begin(), found.end(), [](const AtSpeed& x, const AtSpeed& y) { return x.blocks > y.blocks; });
    return found;
  }
  bool watches() const { return speed_ != nullptr; }

private:
  struct Block {
    double a = 0, b = 0, rate = 0;
  };
  TileSpeed* speed_;
  std::vector<double> around_;
  std::vector<Block> all_;
};

/// `rounds`: what was timed, `blocks`: what of it counts; speeds that change in every round do not keep it timing.
bool enough(size_t blocks, size_t rounds, double seconds, double given) {
  constexpr size_t kMost = 1000, kPatience = 10;
  return rounds >= kMost || (seconds >= given && (blocks >= kFewest || rounds >= kPatience * kFewest));
}

}  // namespace

Spread timeCall(const TimedCall& call, double totalSeconds, const Stop& stop, TileSpeed* speed, std::vector<AtSpeed>* atSpeeds) {
  int64_t calls = calibrate(call, kBlockSeconds, stop);
  Blocks blocks(speed);
  double start = nowSeconds();
  for (size_t round = 0; !stop.asked() && !enough(blocks.count(), round, nowSeconds() - start, totalSeconds); ++round) {
    blocks.look();
    double ns = blockSeconds(call, calls) / static_cast<double>(calls) * 1e9;
    blocks.look();
    blocks.add(ns, ns);
  }
  std::vector<AtSpeed> found = blocks.bySpeed();
  if (atSpeeds != nullptr && blocks.watches()) *atSpeeds = found;
  return found.empty() ? Spread() : found.front().a;
}

PairTiming timePair(const TimedCall& a, const TimedCall& b, double totalSeconds, double hopeless, std::optional<double> settleSeconds,
                    const Stop& stop, TileSpeed* speed) {
  auto settledBlock = [&](const TimedCall& call, int64_t calls) {
    if (settleSeconds) {
      if (*settleSeconds > 0) std::this_thread::sleep_for(std::chrono::duration<double>(*settleSeconds));
      call();
    }
    return blockSeconds(call, calls) / static_cast<double>(calls) * 1e9;
  };
  int64_t callsA = calibrate(a, kBlockSeconds, stop), callsB = calibrate(b, kBlockSeconds, stop);
  Blocks blocks(speed);
  double start = nowSeconds();
  for (size_t round = 0; !stop.asked() && !enough(blocks.count(), round, nowSeconds() - start, totalSeconds); ++round) {
    bool aFirst = round % 2 == 0;  // the order turns in every round, so that neither always runs in the other's wake
    blocks.look();
    double first = aFirst ? settledBlock(a, callsA) : settledBlock(b, callsB);
    blocks.look();
    double second = aFirst ? settledBlock(b, callsB) : settledBlock(a, callsA);
    blocks.look();
    bool counts = blocks.add(aFirst ? first : second, aFirst ? second : first);
    if (counts && blocks.count() == kFewest && blocks.medianRatio() > hopeless) break;
  }
  std::vector<AtSpeed> found = blocks.bySpeed();
  if (found.empty()) return {};
  PairTiming timing{found[0].a, found[0].b, found[0].ratio, {}};
  if (blocks.watches()) timing.atSpeeds = std::move(found);
  return timing;
}

PairSamples samplePairs(const TimedCall& a, int64_t callsA, const TimedCall& b, int64_t callsB, int pairs, TileSpeed* speed) {
  constexpr int kTries = 3;
  PairSamples samples;
  double began = nowSeconds(), had = threadSeconds();
  auto block = [](const TimedCall& call, int64_t calls) { return blockSeconds(call, calls) / static_cast<double>(calls) * 1e9; };
  bool watched = speed != nullptr && speed->watches();
  auto left = [&] { return pairs - static_cast<int>(samples.a.size()); };
  for (int pair = 0, tries = kTries * pairs; left() > 0; ++pair, --tries) {
    bool aFirst = pair % 2 == 0;
    std::vector<double> around;
    auto look = [&] {
      if (watched) around.push_back(speed->probe());
    };
    look();
    double first = aFirst ? block(a, callsA) : block(b, callsB);
    look();
    double second = aFirst ? block(b, callsB) : block(a, callsA);
    look();
    if (tries > left() && !TileSpeed::alike(around)) continue;
    samples.a.push_back(aFirst ? first : second);
    samples.b.push_back(aFirst ? second : first);
  }
  samples.wallSeconds = nowSeconds() - began;
  samples.coreSeconds = threadSeconds() - had;
  return samples;
}

double shareOfCeiling(const PairSamples& samples, double leastNs) {
  double most = 0;
  for (const std::vector<double>* times : {&samples.a, &samples.b})
    for (double ns : *times) most = std::max(most, leastNs / ns);
  return most;
}

std::vector<double> ratiosOf(const PairSamples& samples) {
  std::vector<double> ratios;
  for (size_t i = 0; i < samples.a.size(); ++i) ratios.push_back(samples.b[i] / samples.a[i]);
  return ratios;
}

}  // namespace quern
