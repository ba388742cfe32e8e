// compiler/target/UsableCpus.cpp — see UsableCpus.h. Without /proc or /sys there is no quota to be seen, and the mask decides alone.
#include "compiler/target/UsableCpus.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <cmath>
#include <sched.h>
#include <vector>

namespace quern {

namespace {

/// One control group hierarchy with a CPU controller, and where this process is in it.
struct Hierarchy {
  bool second = false;  ///< version 2: cpu.max; else cpu.cfs_quota_us and cpu.cfs_period_us
  std::string mount;    ///< where it is mounted
  std::string mounted;  ///< which group lies there: "/", or a container's
  std::string group;    ///< this process's, from the hierarchy's root
};

std::vector<std::string> linesOf(const std::string& path) {
  auto read = readFile(path);
  return read ? split(*read, '\n') : std::vector<std::string>();
}

bool namesCpu(const std::string& controllers) {
  std::vector<std::string> names = split(controllers, ',');
  return std::find(names.begin(), names.end(), "cpu") != names.end();
}

/// Lines of mountinfo: id parent major:minor root mountpoint options [optional...] - type source superoptions.
std::vector<Hierarchy> mountedHierarchies(const std::string& root) {
  std::vector<Hierarchy> found;
  for (const std::string& line : linesOf(root + "/proc/self/mountinfo")) {
    std::vector<std::string> words = split(line, ' ');
    auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 4) continue;
    bool second = dash[1] == "cgroup2";
    if (second || (dash[1] == "cgroup" && namesCpu(dash[3]))) found.push_back({second, words[4], words[3], ""});
  }
  return found;
}

/// Lines of /proc/self/cgroup: number:controllers:group; version 2 has no controllers.
std::optional<std::string> groupIn(const std::string& root, const Hierarchy& hierarchy) {
  for (const std::string& line : linesOf(root + "/proc/self/cgroup")) {
    size_t first = line.find(':'), second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    std::string controllers = line.substr(first + 1, second - first - 1);
    if (hierarchy.second ? controllers.empty() : namesCpu(controllers)) return line.substr(second + 1);
  }
  return std::nullopt;
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
  for (Hierarchy& hierarchy : mountedHierarchies(root)) {
    auto group = groupIn(root, hierarchy);
    if (!group) continue;
    // A container's mount shows its own group as the root; what is above it is not to be seen.
    std::string below = *group;
    if (hierarchy.mounted != "/" && (below + "/").starts_with(hierarchy.mounted + "/")) below = below.substr(hierarchy.mounted.size());
    while (true) {
      while (below.ends_with('/')) below.pop_back();
      auto quota = quotaIn(root + hierarchy.mount + below, hierarchy.second);
      if (quota) least = std::min(least.value_or(*quota), *quota);
      if (below.empty()) break;
      below.resize(below.rfind('/') == std::string::npos ? 0 : below.rfind('/'));
    }
  }
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

int usableCpus() {
  int cpus = maskedCpus();
  if (auto quota = cpuQuota()) cpus = static_cast<int>(std::min<double>(cpus, std::ceil(*quota - 1e-6)));
  return std::max(1, cpus);
}

}  // namespace quern
