// tuner/measure/Ceilings.cpp — see Ceilings.h. Plain intrinsics per level: no kernel of ours measures its own limit.
#include "tuner/measure/Ceilings.h"

#include "compiler/base/Thread.h"
#include "tuner/measure/Timing.h"

#include <algorithm>
#include <barrier>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <sys/mman.h>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace quern {

namespace {

/// What one level of instructions offers: operations of one call of `fma`, and streams over memory.
struct Probe {
  double (*fma)(int64_t rounds);                    ///< returns operations done
  float (*read)(const float* from, size_t floats);  ///< a multiple of 256 floats
  void (*copy)(const float* from, float* to, size_t floats);
};

#if defined(__x86_64__)

// Twelve chains: more than latency (4 to 5 cycles) times the two pipes. The inner loops are unrolled on request: arrays
// indexed by a loop would live in memory.
__attribute__((target("avx512f"))) double fma512(int64_t rounds) {
  __m512 acc[12], x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(1e-9f);
  for (auto& a : acc) a = _mm512_set1_ps(1.0f);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (auto& a : acc) a = _mm512_fmadd_ps(a, x, y);
    asm volatile("" : "+v"(x));
  }
  float sink[16];
  for (auto& a : acc) _mm512_storeu_ps(sink, a);
  asm volatile("" ::"m"(sink));
  return static_cast<double>(rounds) * 12 * 16 * 2;
}

__attribute__((target("avx512f"))) float read512(const float* from, size_t floats) {
  __m512 acc[8];
  for (auto& a : acc) a = _mm512_setzero_ps();
  for (size_t i = 0; i < floats; i += 128)
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; ++j) acc[j] = _mm512_add_ps(acc[j], _mm512_loadu_ps(from + i + j * 16));
  float sums[16], sum = 0;
  for (auto& a : acc) {
    _mm512_storeu_ps(sums, a);
    for (float s : sums) sum += s;
  }
  return sum;
}

__attribute__((target("avx512f"))) void copy512(const float* from, float* to, size_t floats) {
  for (size_t i = 0; i < floats; i += 64)
#pragma GCC unroll 8
    for (size_t j = 0; j < 4; ++j) _mm512_storeu_ps(to + i + j * 16, _mm512_loadu_ps(from + i + j * 16));
}

__attribute__((target("avx2,fma"))) double fma256(int64_t rounds) {
  __m256 acc[12], x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(1e-9f);
  for (auto& a : acc) a = _mm256_set1_ps(1.0f);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (auto& a : acc) a = _mm256_fmadd_ps(a, x, y);
    asm volatile("" : "+x"(x));
  }
  float sink[8];
  for (auto& a : acc) _mm256_storeu_ps(sink, a);
  asm volatile("" ::"m"(sink));
  return static_cast<double>(rounds) * 12 * 8 * 2;
}

__attribute__((target("avx2"))) float read256(const float* from, size_t floats) {
  __m256 acc[8];
  for (auto& a : acc) a = _mm256_setzero_ps();
  for (size_t i = 0; i < floats; i += 64)
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; ++j) acc[j] = _mm256_add_ps(acc[j], _mm256_loadu_ps(from + i + j * 8));
  float sums[8], sum = 0;
  for (auto& a : acc) {
    _mm256_storeu_ps(sums, a);
    for (float s : sums) sum += s;
  }
  return sum;
}

__attribute__((target("avx2"))) void copy256(const float* from, float* to, size_t floats) {
  for (size_t i = 0; i < floats; i += 32)
#pragma GCC unroll 8
    for (size_t j = 0; j < 4; ++j) _mm256_storeu_ps(to + i + j * 8, _mm256_loadu_ps(from + i + j * 8));
}

double fma128(int64_t rounds) {
  __m128 acc[10], x = _mm_set1_ps(0.999f), y = _mm_set1_ps(1e-9f);
  for (auto& a : acc) a = _mm_set1_ps(1.0f);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (auto& a : acc) a = _mm_add_ps(_mm_mul_ps(a, x), y);
    asm volatile("" : "+x"(x));
  }
  float sink[4];
  for (auto& a : acc) _mm_storeu_ps(sink, a);
  asm volatile("" ::"m"(sink));
  return static_cast<double>(rounds) * 10 * 4 * 2;
}

float read128(const float* from, size_t floats) {
  __m128 acc[8];
  for (auto& a : acc) a = _mm_setzero_ps();
  for (size_t i = 0; i < floats; i += 32)
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; ++j) acc[j] = _mm_add_ps(acc[j], _mm_loadu_ps(from + i + j * 4));
  float sums[4], sum = 0;
  for (auto& a : acc) {
    _mm_storeu_ps(sums, a);
    for (float s : sums) sum += s;
  }
  return sum;
}

void copy128(const float* from, float* to, size_t floats) {
  for (size_t i = 0; i < floats; i += 16)
#pragma GCC unroll 8
    for (size_t j = 0; j < 4; ++j) _mm_storeu_ps(to + i + j * 4, _mm_loadu_ps(from + i + j * 4));
}

Probe probeOf(const Target& target) {
  if (target.isa().vectorBits == 512) return {fma512, read512, copy512};
  if (target.isa().vectorBits == 256) return {fma256, read256, copy256};
  return {fma128, read128, copy128};
}

#else

using Vector = float __attribute__((vector_size(16)));

double fmaPlain(int64_t rounds) {
  Vector acc[16], x = {0.999f, 0.999f, 0.999f, 0.999f}, y = {1e-9f, 1e-9f, 1e-9f, 1e-9f};
  for (auto& a : acc) a = x;
  for (int64_t i = 0; i < rounds; ++i)
    for (auto& a : acc) a = a * x + y;
  float sink = 0;
  for (auto& a : acc) sink += a[0];
  asm volatile("" ::"w"(sink));
  return static_cast<double>(rounds) * 16 * 4 * 2;
}

float readPlain(const float* from, size_t floats) {
  float sum = 0;
  for (size_t i = 0; i < floats; ++i) sum += from[i];
  return sum;
}

void copyPlain(const float* from, float* to, size_t floats) { std::memcpy(to, from, floats * sizeof(float)); }

Probe probeOf(const Target&) { return {fmaPlain, readPlain, copyPlain}; }

#endif

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
double bestRate(double perCall, const TimedCall& call, double seconds) {
  double best = 0;
  double start = nowSeconds();
  int64_t calls = calibrate(call, 100e-6);
  do {
    double begin = nowSeconds();
    for (int64_t i = 0; i < calls; ++i) call();
    best = std::max(best, perCall * static_cast<double>(calls) / (nowSeconds() - begin));
  } while (nowSeconds() - start < seconds);
  return best;
}

}  // namespace

size_t Ceilings::levelOf(double bytes) const {
  if (bytes <= static_cast<double>(l1Bytes)) return 0;
  if (bytes <= static_cast<double>(l2Bytes)) return 1;
  return bytes <= static_cast<double>(l3Bytes) ? 2 : 3;
}

std::string_view levelName(size_t level) {
  constexpr std::string_view names[] = {"l1", "l2", "l3", "memory"};
  return names[level];
}

Ceilings measureCeilings(const Target& target, double seconds) {
  Ceilings ceilings;
  ceilings.l1Bytes = target.l1Bytes;
  ceilings.l2Bytes = target.l2Bytes;
  ceilings.l3Bytes = target.l3Bytes;
  Probe probe = probeOf(target);
  double each = seconds / 9;
  double operations = probe.fma(1000);
  ceilings.fmaGflops = bestRate(operations, [&] { probe.fma(1000); }, each) / 1e9;
  // Half of each level, so that nothing else there matters; the last level, which others share, also at a size a little above
  // the level before it: the better counts. Memory: four times the last level, at most 256 MiB.
  const double l1 = static_cast<double>(target.l1Bytes), l2 = static_cast<double>(target.l2Bytes), l3 = static_cast<double>(target.l3Bytes);
  const std::vector<double> sizes[] = {
      {l1 / 2}, {l2 / 2}, {std::min(4 * l2, l3 / 2), std::min(l3 / 2, 0x1p24)}, {std::clamp(4 * l3, 0x1p26, 0x1p28)}};
  auto memory = hugeFloats(static_cast<size_t>(sizes[3][0] / sizeof(float)));
  if (memory == nullptr) return ceilings;
  for (size_t level = 0; level < Ceilings::kLevels; ++level)
    for (double bytes : sizes[level]) {
      size_t floats = static_cast<size_t>(std::max(4096.0, bytes)) / 2048 * 2048 / sizeof(float), half = floats / 2 / 256 * 256;
      double share = each / static_cast<double>(sizes[level].size());
      volatile float sink = 0;
      double read = bestRate(static_cast<double>(floats) * 4, [&] { sink = probe.read(memory.get(), floats); }, share) / 1e9;
      double copy = bestRate(static_cast<double>(half) * 8, [&] { probe.copy(memory.get(), memory.get() + half, half); }, share) / 1e9;
      ceilings.readGBs[level] = std::max(ceilings.readGBs[level], read);
      ceilings.copyGBs[level] = std::max(ceilings.copyGBs[level], copy);
    }
  return ceilings;
}

MemoryReaders::MemoryReaders(const Target& target, int threads) : target_(target) {
  // Together four times L3, and no part so small that it stays in L2.
  double all = std::max(4.0 * static_cast<double>(target.l3Bytes), 0x1p28), part = std::clamp(all / threads, 0x1p26, 0x1p28);
  floats_ = static_cast<size_t>(part) / sizeof(float);
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
      sums[i] += probe.read(parts_[i].get(), floats_);
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

double rooflineNs(const OpDesc& op, const Ceilings& ceilings) {
  double bytes = minBytesOf(op);
  size_t level = ceilings.levelOf(bytes);
  double written = static_cast<double>(outputOf(op).elements()) * 4;
  bool streams = written >= 0.3 * bytes;  // elementwise: a store for every load or two
  double moving = bytes / (streams ? ceilings.copyGBs[level] : ceilings.readGBs[level]);
  return std::max(moving, flopsOf(op) / ceilings.fmaGflops);
}

}  // namespace quern
