// tuner/measure/Probes.cpp — see Probes.h.
#include "tuner/measure/Probes.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <numeric>
#include <string_view>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace quern {

#if defined(__x86_64__)

namespace {

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

__attribute__((target("avx512f"))) float read512(const float* from, size_t floats, int64_t rounds) {
  __m512 acc[8];
  for (auto& a : acc) a = _mm512_setzero_ps();
  for (int64_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < floats; i += 128)
#pragma GCC unroll 8
      for (size_t j = 0; j < 8; ++j) acc[j] = _mm512_add_ps(acc[j], _mm512_loadu_ps(from + i + j * 16));
    asm volatile("" ::: "memory");
  }
  for (size_t j = 1; j < 8; ++j) acc[0] = _mm512_add_ps(acc[0], acc[j]);
  float sums[16];
  _mm512_storeu_ps(sums, acc[0]);
  return std::accumulate(std::begin(sums), std::end(sums), 0.0f);
}

__attribute__((target("avx512f"))) void copy512(const float* from, float* to, size_t floats, int64_t rounds) {
  for (int64_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < floats; i += 64)
#pragma GCC unroll 8
      for (size_t j = 0; j < 4; ++j) _mm512_storeu_ps(to + i + j * 16, _mm512_loadu_ps(from + i + j * 16));
    asm volatile("" ::: "memory");
  }
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

__attribute__((target("avx2"))) float read256(const float* from, size_t floats, int64_t rounds) {
  __m256 acc[8];
  for (auto& a : acc) a = _mm256_setzero_ps();
  for (int64_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < floats; i += 64)
#pragma GCC unroll 8
      for (size_t j = 0; j < 8; ++j) acc[j] = _mm256_add_ps(acc[j], _mm256_loadu_ps(from + i + j * 8));
    asm volatile("" ::: "memory");
  }
  for (size_t j = 1; j < 8; ++j) acc[0] = _mm256_add_ps(acc[0], acc[j]);
  float sums[8];
  _mm256_storeu_ps(sums, acc[0]);
  return std::accumulate(std::begin(sums), std::end(sums), 0.0f);
}

__attribute__((target("avx2"))) void copy256(const float* from, float* to, size_t floats, int64_t rounds) {
  for (int64_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < floats; i += 32)
#pragma GCC unroll 8
      for (size_t j = 0; j < 4; ++j) _mm256_storeu_ps(to + i + j * 8, _mm256_loadu_ps(from + i + j * 8));
    asm volatile("" ::: "memory");
  }
}

__attribute__((target("avx512f,avx512vnni"))) double dots512(int64_t rounds) {
  __m512i acc[12], x = _mm512_set1_epi8(3), y = _mm512_set1_epi8(-5);
  for (auto& a : acc) a = _mm512_setzero_si512();
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (auto& a : acc) a = _mm512_dpbusd_epi32(a, x, y);
    asm volatile("" : "+v"(x));
  }
  int32_t sink[16];
  for (auto& a : acc) _mm512_storeu_si512(sink, a);
  asm volatile("" ::"m"(sink));
  return static_cast<double>(rounds) * 12 * 64 * 2;
}

__attribute__((target("avx512f,avx512bf16"))) double pairs512(int64_t rounds) {
  __m512 acc[12];
  __m512i bits = _mm512_set1_epi16(0x3c00);
  for (auto& a : acc) a = _mm512_setzero_ps();
  for (int64_t i = 0; i < rounds; ++i) {
    auto x = reinterpret_cast<__m512bh>(bits);
#pragma GCC unroll 16
    for (auto& a : acc) a = _mm512_dpbf16_ps(a, x, x);
    asm volatile("" : "+v"(bits));
  }
  float sink[16];
  for (auto& a : acc) _mm512_storeu_ps(sink, a);
  asm volatile("" ::"m"(sink));
  return static_cast<double>(rounds) * 12 * 32 * 2;
}

__attribute__((target("avx2,avxvnni"))) double dots256(int64_t rounds) {
  __m256i acc[12], x = _mm256_set1_epi8(3), y = _mm256_set1_epi8(-5);
  for (auto& a : acc) a = _mm256_setzero_si256();
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (auto& a : acc) a = _mm256_dpbusd_avx_epi32(a, x, y);
    asm volatile("" : "+x"(x));
  }
  int32_t sink[8];
  for (auto& a : acc) _mm256_storeu_si256(reinterpret_cast<__m256i*>(sink), a);
  asm volatile("" ::"m"(sink));
  return static_cast<double>(rounds) * 12 * 32 * 2;
}

bool offers(const Target& target, std::string_view feature) {
  return std::find(target.features.begin(), target.features.end(), feature) != target.features.end();
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

float read128(const float* from, size_t floats, int64_t rounds) {
  __m128 acc[8];
  for (auto& a : acc) a = _mm_setzero_ps();
  for (int64_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < floats; i += 32)
#pragma GCC unroll 8
      for (size_t j = 0; j < 8; ++j) acc[j] = _mm_add_ps(acc[j], _mm_loadu_ps(from + i + j * 4));
    asm volatile("" ::: "memory");
  }
  for (size_t j = 1; j < 8; ++j) acc[0] = _mm_add_ps(acc[0], acc[j]);
  float sums[4];
  _mm_storeu_ps(sums, acc[0]);
  return std::accumulate(std::begin(sums), std::end(sums), 0.0f);
}

void copy128(const float* from, float* to, size_t floats, int64_t rounds) {
  for (int64_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < floats; i += 16)
#pragma GCC unroll 8
      for (size_t j = 0; j < 4; ++j) _mm_storeu_ps(to + i + j * 4, _mm_loadu_ps(from + i + j * 4));
    asm volatile("" ::: "memory");
  }
}

}  // namespace

Probe probeOf(const Target& target) {
  if (target.isa().vectorBits == 512)
    return {fma512, read512, copy512, offers(target, "avx512vnni") ? dots512 : nullptr, offers(target, "avx512bf16") ? pairs512 : nullptr};
  if (target.isa().vectorBits == 256) return {fma256, read256, copy256, offers(target, "avxvnni") ? dots256 : nullptr, nullptr};
  return {fma128, read128, copy128};
}

std::vector<Probe> probesOf(const Target& target) {
  std::vector<Probe> probes = {probeOf(target)};
  if (target.isa().vectorBits == 512) probes.push_back({fma256, read256, copy256});
  return probes;
}

#else

namespace {

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

float readPlain(const float* from, size_t floats, int64_t rounds) {
  Vector acc[8] = {};
  for (int64_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < floats; i += 32)
#pragma GCC unroll 8
      for (size_t j = 0; j < 8; ++j) {
        Vector x;
        std::memcpy(&x, from + i + j * 4, sizeof x);
        acc[j] += x;
      }
    asm volatile("" ::: "memory");
  }
  for (size_t j = 1; j < 8; ++j) acc[0] += acc[j];
  return acc[0][0] + acc[0][1] + acc[0][2] + acc[0][3];
}

void copyPlain(const float* from, float* to, size_t floats, int64_t rounds) {
  for (int64_t round = 0; round < rounds; ++round) {
    std::memcpy(to, from, floats * sizeof(float));
    asm volatile("" ::: "memory");
  }
}

}  // namespace

Probe probeOf(const Target&) { return {fmaPlain, readPlain, copyPlain}; }
std::vector<Probe> probesOf(const Target& target) { return {probeOf(target)}; }

#endif

}  // namespace quern
