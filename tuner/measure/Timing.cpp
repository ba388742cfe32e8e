// tuner/measure/Timing.cpp — see Timing.h.
#include "tuner/measure/Timing.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <thread>

namespace quern {

double nowSeconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

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

Spread timeCall(const TimedCall& call, double totalSeconds, const Stop& stop) {
  int64_t calls = calibrate(call, kBlockSeconds, stop);
  std::vector<double> samples;
  double start = nowSeconds();
  while (!stop.asked() && (samples.size() < 5 || (nowSeconds() - start < totalSeconds && samples.size() < 1000)))
    samples.push_back(blockSeconds(call, calls) / static_cast<double>(calls) * 1e9);
  return spreadOf(std::move(samples));
}

PairTiming timePair(const TimedCall& a, const TimedCall& b, double totalSeconds, double hopeless, std::optional<double> settleSeconds,
                    const Stop& stop) {
  auto settledBlock = [&](const TimedCall& call, int64_t calls) {
    if (settleSeconds) {
      if (*settleSeconds > 0) std::this_thread::sleep_for(std::chrono::duration<double>(*settleSeconds));
      call();
    }
    return blockSeconds(call, calls);
  };
  int64_t callsA = calibrate(a, kBlockSeconds, stop), callsB = calibrate(b, kBlockSeconds, stop);
  std::vector<double> samplesA, samplesB, ratios;
  double start = nowSeconds();
  while (!stop.asked() && (ratios.size() < 5 || (nowSeconds() - start < totalSeconds && ratios.size() < 1000))) {
    // The order turns in every round, so that neither always runs in the other's wake.
    bool aFirst = ratios.size() % 2 == 0;
    double first = aFirst ? settledBlock(a, callsA) : settledBlock(b, callsB);
    double second = aFirst ? settledBlock(b, callsB) : settledBlock(a, callsA);
    samplesA.push_back((aFirst ? first : second) / static_cast<double>(callsA) * 1e9);
    samplesB.push_back((aFirst ? second : first) / static_cast<double>(callsB) * 1e9);
    ratios.push_back(samplesB.back() / samplesA.back());
    if (ratios.size() == 5 && spreadOf(ratios).median > hopeless) break;
  }
  return {spreadOf(std::move(samplesA)), spreadOf(std::move(samplesB)), spreadOf(std::move(ratios))};
}

PairSamples samplePairs(const TimedCall& a, int64_t callsA, const TimedCall& b, int64_t callsB, int pairs) {
  PairSamples samples;
  double began = nowSeconds(), had = threadSeconds();
  auto block = [](const TimedCall& call, int64_t calls) { return blockSeconds(call, calls) / static_cast<double>(calls) * 1e9; };
  for (int pair = 0; pair < pairs; ++pair) {
    bool aFirst = pair % 2 == 0;
    double first = aFirst ? block(a, callsA) : block(b, callsB);
    double second = aFirst ? block(b, callsB) : block(a, callsA);
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
