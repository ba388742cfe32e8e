// tuner/measure/Noise.cpp — see Noise.h.
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

/// stat: "cpu  user nice system idle iowait irq softirq steal ..."; loadavg: "0.42 0.30 0.20 2/150 4711", two are ready.
MachineLoad parseMachineLoad(const std::string& stat, const std::string& loadavg, int cpus) {
  MachineLoad load;
  load.cpus = std::max(1, cpus);
  std::vector<std::string> words = split(stat.substr(0, stat.find('\n')), ' ');
  std::erase(words, "");
  constexpr size_t kSteal = 8;
  for (size_t i = 1; i < words.size() && i <= kSteal; ++i) {
    double value = parseDouble(words[i]).value_or(0);
    load.jiffies += value;
    if (i == kSteal) load.stolen = value;
  }
  words = split(loadavg, ' ');
  constexpr size_t kReady = 3;
  if (words.size() > kReady) load.ready = parseDouble(words[kReady].substr(0, words[kReady].find('/'))).value_or(1);
  return load;
}

MachineLoad machineLoad() {
  auto stat = readFile("/proc/stat"), loadavg = readFile("/proc/loadavg");
  return parseMachineLoad(stat ? *stat : "", loadavg ? *loadavg : "", usableCpus());
}

void NoiseWatch::turn(double wallSeconds, double coreSeconds, double probeNs) {
  wall_ += wallSeconds;
  core_ += coreSeconds;
  if (probeNs > 0) probes_.push_back(probeNs);
}

Noise NoiseWatch::noise(const MachineLoad& now) const {
  Noise noise;
  constexpr double kEnough = 0.005;  // seconds that say something
  if (wall_ > kEnough) noise.coreShare = std::min(1.0, core_ / wall_);
  if (now.jiffies > began_.jiffies) noise.steal = (now.stolen - began_.stolen) / (now.jiffies - began_.jiffies);
  if (probes_.size() >= 2) {
    std::vector<double> sorted = probes_;
    std::sort(sorted.begin(), sorted.end());
    size_t cut = sorted.size() / 20;
    noise.drift = sorted[sorted.size() - 1 - cut] / sorted[cut] - 1;
  }
  noise.load = std::max(0.0, now.ready - 1) / now.cpus;
  return noise;
}

}  // namespace quern
