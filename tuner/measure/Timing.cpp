// tuner/measure/Timing.cpp — see Timing.h.
#include "tuner/measure/Timing.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <thread>

namespace quern {

static constexpr double kBlockSeconds = 200e-6;  // long beside the clock (30 ns) and short beside a scheduler's slice

double nowSeconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double threadSeconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Spread spreadOf(std::vector<double> samples) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  auto n = static_cast<double>(samples.size());
  // Ranks n/2 -+ 0.98 sqrt(n): the binomial interval of the median.
  auto rank = [&](double r) { return samples[static_cast<size_t>(std::clamp(r, 0.0, n - 1))]; };
  double half = 0.98 * std::sqrt(n);
  return {samples[samples.size() / 2], rank(std::floor(n / 2 - half)), rank(std::ceil(n / 2 + half))};
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

}  // namespace quern
