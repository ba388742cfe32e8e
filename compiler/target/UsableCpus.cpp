// compiler/target/UsableCpus.cpp — see UsableCpus.h. Without /proc or /sys there is no quota to be seen, and the mask decides alone.
#include "compiler/target/UsableCpus.h"

#include "compiler/base/InputFile.h"
#include "compiler/base/Text.h"
#include "compiler/target/ControlGroups.h"

#include <algorithm>
#include <cmath>
#include <sched.h>
#include <vector>

namespace quern {

namespace {

std::vector<std::string> linesOf(const std::string& path) {
  auto read = readFile(path);
  return read ? split(*read, '\n') : std::vector<std::string>();
}

std::optional<double> quotaIn(const std::string& folder, bool second) {
  std::vector<std::string> words;
  if (second) {
    for (const std::string& line : linesOf(folder + "/cpu.max"))
      for (const std::string& word : split(line, ' ')) words.push_back(word);  // "max 100000" or "150000 100000"
  } else {
    for (const char* name : {"/cpu.cfs_quota_us", "/cpu.cfs_period_us"})
      for (const std::string& line : linesOf(folder + name)) words.push_back(line);
  }
  std::erase(words, "");
  if (words.size() < 2) return std::nullopt;
  auto quota = parseInt(words[0]), period = parseInt(words[1]);
  if (!quota || !period || *quota <= 0 || *period <= 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

}  // namespace

std::optional<double> cpuQuota(const std::string& root) {
  std::optional<double> least;
  eachControlGroup(root, "cpu", [&](const std::string& folder, bool second) {
    if (auto quota = quotaIn(folder, second)) least = std::min(least.value_or(*quota), *quota);
  });
  return least;
}

static int maskedCpus() {
  // A machine may have more CPUs than a cpu_set_t counts: the system then refuses the size.
  for (int most = CPU_SETSIZE; most <= 1 << 16; most *= 4) {
    cpu_set_t* set = CPU_ALLOC(most);
    if (set == nullptr) return 1;
    size_t bytes = CPU_ALLOC_SIZE(most);
    int count = ::sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) return count;
  }
  return 1;
}

int lastUsableCpu() {
  cpu_set_t mask;
  if (::sched_getaffinity(0, sizeof mask, &mask) != 0) return -1;
  int last = CPU_SETSIZE - 1;
  while (last >= 0 && !CPU_ISSET(static_cast<size_t>(last), &mask)) --last;
  return last;
}

int usableCpus() {
  int cpus = maskedCpus();
  if (auto quota = cpuQuota()) cpus = static_cast<int>(std::min<double>(cpus, std::ceil(*quota - 1e-6)));
  return std::max(1, cpus);
}

}  // namespace quern
