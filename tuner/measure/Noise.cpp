// tuner/measure/Noise.cpp — see Noise.h. What /proc does not tell is taken for quiet.
#include "tuner/measure/Noise.h"

#include "compiler/base/InputFile.h"
#include "compiler/base/Text.h"
#include "compiler/target/UsableCpus.h"
#include "tuner/measure/Timing.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

double frequencyProbeNs() {
  constexpr int kRounds = 3, kSteps = 8192;  // about 10 us: three cycles a step
  double least = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    double start = nowSeconds();
    uint64_t chain = 1;
    for (int step = 0; step < kSteps; ++step) {
      chain *= 0x9e3779b97f4a7c15;
      asm volatile("" : "+r"(chain));  // one after the other, none left out
    }
    least = std::min(least, (nowSeconds() - start) * 1e9);
  }
  return least;
}

std::string Noise::why() const {
  constexpr double kLeastShare = 0.95, kMostSteal = 0.02, kMostDrift = 0.10, kMostLoad = 0.75;
  if (coreShare < kLeastShare) return fmt::format("other programs took {:.0f} % of the core", 100 * (1 - coreShare));
  if (steal > kMostSteal) return fmt::format("the host gave {:.0f} % of the time to others", 100 * steal);
  if (drift > kMostDrift) return fmt::format("the clock's frequency moved by {:.0f} %", 100 * drift);
  if (load > kMostLoad) return fmt::format("{:.1f} other programs a core were running", load);
  return "";
}

NoiseWatch::NoiseWatch() : began_(jiffies()) {}

void NoiseWatch::turn(double wallSeconds, double coreSeconds, double probeNs) {
  wall_ += wallSeconds;
  core_ += coreSeconds;
  if (probeNs > 0) probes_.push_back(probeNs);
}

/// "cpu  user nice system idle iowait irq softirq steal ..." of /proc/stat.
NoiseWatch::Jiffies NoiseWatch::jiffies() {
  auto bytes = readFile("/proc/stat");
  if (!bytes) return {};
  std::vector<std::string> words = split(bytes->substr(0, bytes->find('\n')), ' ');
  std::erase(words, "");
  constexpr size_t kSteal = 8;
  Jiffies jiffies;
  for (size_t i = 1; i < words.size() && i <= kSteal; ++i) {
    double value = parseDouble(words[i]).value_or(0);
    jiffies.total += value;
    if (i == kSteal) jiffies.steal = value;
  }
  return jiffies;
}

Noise NoiseWatch::noise() const {
  Noise noise;
  constexpr double kEnough = 0.005;  // seconds that say something
  if (wall_ > kEnough) noise.coreShare = std::min(1.0, core_ / wall_);
  Jiffies now = jiffies();
  if (now.total > began_.total) noise.steal = (now.steal - began_.steal) / (now.total - began_.total);
  if (probes_.size() >= 2) {
    std::vector<double> sorted = probes_;
    std::sort(sorted.begin(), sorted.end());
    size_t cut = sorted.size() / 20;
    noise.drift = sorted[sorted.size() - 1 - cut] / sorted[cut] - 1;
  }
  // "0.42 0.30 0.20 2/150 4711": two are ready now, this one and another.
  auto bytes = readFile("/proc/loadavg");
  std::vector<std::string> words = bytes ? split(*bytes, ' ') : std::vector<std::string>();
  if (words.size() > 3) {
    double ready = parseDouble(words[3].substr(0, words[3].find('/'))).value_or(1);
    noise.load = std::max(0.0, ready - 1) / std::max(1, usableCpus());
  }
  return noise;
}

}  // namespace quern
