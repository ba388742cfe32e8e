// compiler/target/HostMemory.cpp — see HostMemory.h.
#include "compiler/target/HostMemory.h"

#include "compiler/base/InputFile.h"
#include "compiler/base/Text.h"
#include "compiler/target/ControlGroups.h"

#include <algorithm>
#include <optional>
#include <unistd.h>

namespace quern {

/// The number a file holds; nothing for "max", and where there is no such file.
static std::optional<int64_t> numberIn(const std::string& path) {
  auto text = readFile(path);
  return text ? parseInt(trim(*text)) : std::nullopt;
}

/// "MemAvailable:   123 kB" of /proc/meminfo, in bytes.
static std::optional<int64_t> availableIn(const std::string& path) {
  constexpr std::string_view kLine = "MemAvailable:";
  auto text = readFile(path);
  if (!text) return std::nullopt;
  for (const std::string& line : split(*text, '\n')) {
    if (!line.starts_with(kLine)) continue;
    std::string_view number = trim(std::string_view(line).substr(kLine.size()));
    auto kibi = parseInt(number.substr(0, number.find(' ')));
    return kibi ? std::optional(*kibi * 1024) : std::nullopt;
  }
  return std::nullopt;
}

static void lower(HostMemory& memory, const std::string& folder, const char* mostName, const char* usedName) {
  auto most = numberIn(folder + mostName), used = numberIn(folder + usedName);
  if (!most || *most <= 0) return;
  memory.mostBytes = std::min(memory.mostBytes, *most);
  memory.freeBytes = std::min(memory.freeBytes, std::max<int64_t>(0, *most - used.value_or(0)));
}

HostMemory hostMemory(const std::string& root) {
  auto page = static_cast<int64_t>(::sysconf(_SC_PAGESIZE));
  HostMemory memory{static_cast<int64_t>(::sysconf(_SC_PHYS_PAGES)) * page, 0};
  memory.freeBytes = availableIn(root + "/proc/meminfo").value_or(static_cast<int64_t>(::sysconf(_SC_AVPHYS_PAGES)) * page);
  eachControlGroup(root, "memory", [&](const std::string& folder, bool second) {
    if (second) lower(memory, folder, "/memory.max", "/memory.current");
    else lower(memory, folder, "/memory.limit_in_bytes", "/memory.usage_in_bytes");
  });
  return memory;
}

}  // namespace quern
