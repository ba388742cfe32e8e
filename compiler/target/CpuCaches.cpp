// compiler/target/CpuCaches.cpp — see CpuCaches.h.
#include "compiler/target/CpuCaches.h"

#include "compiler/base/InputFile.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <fmt/format.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace quern {

static std::optional<int64_t> reportedBySystem(int level, const std::string& root) {
  for (int index = 0; index < 8; ++index) {
    std::string folder = fmt::format("{}/sys/devices/system/cpu/cpu0/cache/index{}/", root, index);
    auto field = [&](const char* name) {
      auto read = readFile(folder + name);
      return read ? std::string(trim(*read)) : std::string();
    };
    if (field("level") != std::to_string(level) || field("type") == "Instruction") continue;
    std::string size = field("size");  // "48K"
    auto kibi = size.ends_with("K") ? parseInt(size.substr(0, size.size() - 1)) : std::nullopt;
    if (kibi && *kibi > 0) return *kibi << 10;
  }
  return std::nullopt;
}

#if defined(__x86_64__)
/// AMD's older leaves, which virtual machines fill where they leave the others empty. The third level is that of all cores together: a core
/// has at most the 32 MiB of its complex (but for those with stacked caches, which are taken for the same).
static std::optional<int64_t> reportedInOldLeaves(int level) {
  constexpr int64_t kComplex = int64_t{32} << 20;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(level == 1 ? 0x80000005u : 0x80000006u, &a, &b, &c, &d) == 0) return std::nullopt;
  int64_t bytes = level == 1 ? int64_t{c >> 24} << 10 : level == 2 ? int64_t{c >> 16} << 10 : std::min(kComplex, int64_t{d >> 18} << 19);
  return bytes > 0 ? std::optional(bytes) : std::nullopt;
}
#endif

/// Leaf 4, or AMD's 0x8000001d, which is laid out alike: one cache a subleaf.
static std::optional<int64_t> reportedByCpu([[maybe_unused]] int level) {
#if defined(__x86_64__)
  for (unsigned leaf : {4u, 0x8000001du})
    for (unsigned index = 0; index < 8; ++index) {
      unsigned a = 0, b = 0, c = 0, d = 0;
      if (__get_cpuid_count(leaf, index, &a, &b, &c, &d) == 0 || (a & 31) == 0) break;
      constexpr unsigned kInstructions = 2;
      if ((a & 31) == kInstructions || static_cast<int>((a >> 5) & 7) != level) continue;
      return int64_t{(b >> 22) + 1} * (((b >> 12) & 0x3ff) + 1) * ((b & 0xfff) + 1) * (int64_t{c} + 1);  // ways, partitions, line, sets
    }
  return reportedInOldLeaves(level);
#else
  return std::nullopt;
#endif
}

std::optional<int64_t> dataCacheBytes(int level, const std::string& root) {
  auto bytes = reportedBySystem(level, root);
  return bytes ? bytes : reportedByCpu(level);
}

}  // namespace quern
