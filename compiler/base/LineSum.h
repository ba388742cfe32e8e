// compiler/base/LineSum.h — a quick checksum of bytes in memory, for damage and not for forgery: about 8 bytes a cycle.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace quern {

/// Eight chains h = (h ^ x) * odd over the words of each line of 64 bytes (zeros behind the end), then over the chains and the count. Every
/// step is one to one in h and in x: what differs in one word, and so in one byte, has another sum.
inline uint64_t lineSum(const std::byte* data, size_t bytes) {
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
  uint64_t chains[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  auto line = [&](const std::byte* from) {
    uint64_t words[8];
    std::memcpy(words, from, sizeof words);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) chains[i] = (chains[i] ^ words[i]) * kOdd;
  };
  size_t at = 0;
  for (; at + 64 <= bytes; at += 64) line(data + at);
  if (at < bytes) {
    std::byte rest[64] = {};
    std::memcpy(rest, data + at, bytes - at);
    line(rest);
  }
  uint64_t sum = bytes;
  for (uint64_t chain : chains) sum = ((sum ^ chain) * kOdd) + (sum >> 29);
  return sum;
}

/// As files have it: 16 hexadecimal digits.
inline std::string sumText(uint64_t sum) {
  std::string out(16, '0');
  for (size_t i = out.size(); i-- > 0; sum >>= 4) out[i] = "0123456789abcdef"[sum & 15];
  return out;
}

}  // namespace quern
