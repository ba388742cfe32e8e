// compiler/target/CpuCaches.cpp — see CpuCaches.h.
#include "compiler/target/CpuCaches.h"

#include "compiler/base/InputFile.h"
#include "compiler/base/Text.h"

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
#endif
  return std::nullopt;
}

std::optional<int64_t> dataCacheBytes(int level, const std::string& root) {
  auto bytes = reportedBySystem(level, root);
  return bytes ? bytes : reportedByCpu(level);
}

}  // namespace quern
