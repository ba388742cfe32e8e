// compiler/target/CpuFeatures.cpp — cpuid, and a child process that executes one instruction of each feature.
#include "compiler/target/CpuFeatures.h"

#include "compiler/base/Log.h"
#include "compiler/target/HostTarget.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace quern {

#if defined(__x86_64__)

std::string_view hostArch() { return "x86_64"; }

namespace {

enum Register { Eax, Ebx, Ecx, Edx };

/// Where cpuid reports a feature, which state the operating system must save for it (XCR0 bits), and an instruction.
struct Feature {
  const char* name;
  unsigned leaf, subleaf;
  Register reg;
  unsigned bit;
  uint64_t state;
  void (*run)();
};

constexpr uint64_t kYmm = 0x6, kZmm = 0xe6, kTiles = 0x60000;

/// Palette 1, three tiles of one row of 64 bytes. Configuring and releasing tiles needs no permission; using one does.
void configureTiles() {
  struct alignas(64) {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t rowBytes[16] = {64, 64, 64};
    uint8_t rows[16] = {1, 1, 1};
  } config;
  asm volatile("ldtilecfg %0" ::"m"(config));
}

const std::array<Feature, 22> kFeatures = {{
    {"sse2", 1, 0, Edx, 26, 0,
     [] {
       asm volatile("paddd %%xmm0, %%xmm0" ::: "xmm0");
     }},
    {"sse4.2", 1, 0, Ecx, 20, 0,
     [] {
       asm volatile("pcmpgtq %%xmm0, %%xmm0" ::: "xmm0");
     }},
    {"avx", 1, 0, Ecx, 28, kYmm,
     [] {
       asm volatile("vaddps %%ymm0, %%ymm0, %%ymm0" ::: "xmm0");
     }},
    {"fma", 1, 0, Ecx, 12, kYmm,
     [] {
       asm volatile("vfmadd231ps %%ymm0, %%ymm0, %%ymm0" ::: "xmm0");
     }},
    {"f16c", 1, 0, Ecx, 29, kYmm,
     [] {
       asm volatile("vcvtph2ps %%xmm0, %%ymm0" ::: "xmm0");
     }},
    {"avx2", 7, 0, Ebx, 5, kYmm,
     [] {
       asm volatile("vpaddd %%ymm0, %%ymm0, %%ymm0" ::: "xmm0");
     }},
    {"bmi2", 7, 0, Ebx, 8, 0,
     [] {
       asm volatile("shlx %%rax, %%rax, %%rax" ::: "rax");
     }},
    {"avx512f", 7, 0, Ebx, 16, kZmm,
     [] {
       asm volatile("vaddps %%zmm0, %%zmm0, %%zmm0" ::: "xmm0");
     }},
    {"avx512dq", 7, 0, Ebx, 17, kZmm,
     [] {
       asm volatile("vandps %%zmm0, %%zmm0, %%zmm0" ::: "xmm0");
     }},
    {"avx512cd", 7, 0, Ebx, 28, kZmm,
     [] {
       asm volatile("vplzcntd %%zmm0, %%zmm0" ::: "xmm0");
     }},
    {"avx512bw", 7, 0, Ebx, 30, kZmm,
     [] {
       asm volatile("vpaddb %%zmm0, %%zmm0, %%zmm0" ::: "xmm0");
     }},
    {"avx512vl", 7, 0, Ebx, 31, kZmm,
     [] {
       asm volatile("vpternlogd $0, %%ymm0, %%ymm0, %%ymm0" ::: "xmm0");
     }},
    {"avx512vbmi", 7, 0, Ecx, 1, kZmm,
     [] {
       asm volatile("vpermb %%zmm0, %%zmm0, %%zmm0" ::: "xmm0");
     }},
    {"avx512vnni", 7, 0, Ecx, 11, kZmm,
     [] {
       asm volatile("vpdpbusd %%zmm0, %%zmm0, %%zmm0" ::: "xmm0");
     }},
    {"avxvnni", 7, 1, Eax, 4, kYmm,
     [] {
       asm volatile("%{vex%} vpdpbusd %%ymm0, %%ymm0, %%ymm0" ::: "xmm0");
     }},
    {"avx512bf16", 7, 1, Eax, 5, kZmm,
     [] {
       asm volatile("vdpbf16ps %%zmm0, %%zmm0, %%zmm0" ::: "xmm0");
     }},
    {"avx512fp16", 7, 0, Edx, 23, kZmm,
     [] {
       asm volatile(".byte 0x62,0xf5,0x7c,0x48,0x58,0xc0" ::: "xmm0");
     }},
    {"gfni", 7, 0, Ecx, 8, 0,
     [] {
       asm volatile("gf2p8mulb %%xmm0, %%xmm0" ::: "xmm0");
     }},
    {"prefetchwt1", 7, 0, Ecx, 0, 0,
     [] {
       char c = 0;
       asm volatile("prefetchwt1 %0" ::"m"(c));
     }},
    {"amx-tile", 7, 0, Edx, 24, kTiles,
     [] {
       configureTiles();
       asm volatile("tilezero %tmm0\n\ttilerelease");
     }},
    {"amx-bf16", 7, 0, Edx, 22, kTiles,
     [] {
       configureTiles();
       asm volatile("tdpbf16ps %tmm2, %tmm1, %tmm0\n\ttilerelease");
     }},
    {"amx-int8", 7, 0, Edx, 25, kTiles,
     [] {
       configureTiles();
       asm volatile("tdpbssd %tmm2, %tmm1, %tmm0\n\ttilerelease");
     }},
}};

uint64_t enabledState() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & bit_OSXSAVE) == 0) return 0;
  asm volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return (uint64_t{d} << 32) | a;
}

bool reported(const Feature& feature) {
  std::array<unsigned, 4> r{};
  if (__get_cpuid_count(feature.leaf, feature.subleaf, &r[0], &r[1], &r[2], &r[3]) == 0) return false;
  return ((r[feature.reg] >> feature.bit) & 1) != 0;
}

/// The system hands AMX state out on request only (arch_prctl, component 18), and a sandbox may refuse the request.
bool tilesPermitted() {
  constexpr long kGetPermitted = 0x1022, kRequest = 0x1023, kTileData = 18;
  unsigned long permitted = 0;
  return ::syscall(SYS_arch_prctl, kRequest, kTileData) == 0 && ::syscall(SYS_arch_prctl, kGetPermitted, &permitted) == 0 &&
         ((permitted >> kTileData) & 1) != 0;
}

/// Whether the system saves the feature's registers for this process.
bool enabled(const Feature& feature, uint64_t state) {
  return (state & feature.state) == feature.state && (feature.state != kTiles || tilesPermitted());
}

/// Whether a child process lives through the instruction; nothing where there can be no child.
std::optional<bool> runsInChild(const Feature& feature) {
  pid_t child = ::fork();
  if (child < 0) return std::nullopt;
  if (child == 0) {
    rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    feature.run();
    ::_exit(0);
  }
  int status = 1;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return std::nullopt;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// Whether tiles can be used, by using one in a child process: found once a process, and said where they cannot. The permission is this
/// process's from then on, and that of its children.
bool tilesUsable(uint64_t state) {
  static const bool usable = [state] {
    const Feature& tile = *std::find_if(kFeatures.begin(), kFeatures.end(), [](const Feature& each) { return each.state == kTiles; });
    const char* why = (state & kTiles) != kTiles          ? "the system does not save its registers"
                      : !tilesPermitted()                 ? "the system refuses its registers to this process"
                      : !runsInChild(tile).value_or(true) ? "its first instruction does not run"
                                                          : nullptr;
    if (why != nullptr) logLine(LogTopic::Dispatch, std::string("AMX is left out: ") + why);
    return why == nullptr;
  }();
  return usable;
}

}  // namespace

std::vector<std::string> reportedFeatures() {
  std::vector<std::string> names;
  uint64_t state = enabledState();
  for (const Feature& feature : kFeatures)
    if (reported(feature) && (feature.state == kTiles ? tilesUsable(state) : enabled(feature, state))) names.emplace_back(feature.name);
  return names;
}

FeatureTrial tryFeatures() {
  FeatureTrial trial;
  uint64_t state = enabledState();
  for (const Feature& feature : kFeatures) {
    if (!reported(feature)) continue;
    if (!enabled(feature, state)) {
      trial.disabled.emplace_back(feature.name);
      continue;
    }
    std::optional<bool> runs = trial.untried.empty() ? runsInChild(feature) : std::nullopt;
    if (!runs && trial.untried.empty()) trial.untried = std::strerror(errno);
    (runs.value_or(true) ? trial.run : trial.failed).emplace_back(feature.name);
  }
  for (auto* names : {&trial.run, &trial.failed, &trial.disabled}) std::sort(names->begin(), names->end());
  return trial;
}

std::string cpuModelName() {
  std::array<unsigned, 12> words{};
  for (unsigned i = 0; i < 3; ++i)
    if (__get_cpuid(0x80000002 + i, &words[i * 4], &words[i * 4 + 1], &words[i * 4 + 2], &words[i * 4 + 3]) == 0) return "x86_64";
  char name[49] = {};
  std::memcpy(name, words.data(), 48);
  std::string out = name;
  out.erase(0, out.find_first_not_of(' '));
  while (!out.empty() && out.back() == ' ') out.pop_back();
  unsigned a = 0, b = 0, c = 0, d = 0;
  __get_cpuid(1, &a, &b, &c, &d);
  unsigned family = ((a >> 8) & 15) + ((a >> 20) & 255), model = ((a >> 4) & 15) | ((a >> 12) & 0xf0);
  return out + " family " + std::to_string(family) + " model " + std::to_string(model);
}

#else

std::string_view hostArch() { return "aarch64"; }
std::vector<std::string> reportedFeatures() { return {"neon"}; }
FeatureTrial tryFeatures() { return {{"neon"}, {}, {}, ""}; }
std::string cpuModelName() { return "aarch64"; }

#endif

}  // namespace quern
