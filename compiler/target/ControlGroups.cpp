// compiler/target/ControlGroups.cpp — see ControlGroups.h.
#include "compiler/target/ControlGroups.h"

#include "compiler/base/InputFile.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace quern {

namespace {

/// One hierarchy with the controller.
struct Hierarchy {
  bool second = false;
  std::string mount;    ///< where it is mounted
  std::string mounted;  ///< which group lies there: "/", or a container's
};

bool names(const std::string& controllers, std::string_view controller) {
  std::vector<std::string> all = split(controllers, ',');
  return std::find(all.begin(), all.end(), controller) != all.end();
}

/// Lines of mountinfo: id parent major:minor root mountpoint options [optional...] - type source superoptions.
std::vector<Hierarchy> mountedHierarchies(const std::string& mounts, std::string_view controller) {
  std::vector<Hierarchy> found;
  for (const std::string& line : split(mounts, '\n')) {
    std::vector<std::string> words = split(line, ' ');
    auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 4) continue;
    bool second = dash[1] == "cgroup2";
    if (second || (dash[1] == "cgroup" && names(dash[3], controller))) found.push_back({second, words[4], words[3]});
  }
  return found;
}

/// Lines of /proc/self/cgroup: number:controllers:group, which may hold colons of its own; version 2 has no controllers.
std::optional<std::string> groupIn(const std::string& groups, const Hierarchy& hierarchy, std::string_view controller) {
  for (const std::string& line : split(groups, '\n')) {
    size_t first = line.find(':'), second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    std::string controllers = line.substr(first + 1, second - first - 1);
    if (hierarchy.second ? controllers.empty() : names(controllers, controller)) return line.substr(second + 1);
  }
  return std::nullopt;
}

}  // namespace

void eachControlGroup(const std::string& root, std::string_view controller,
                      const std::function<void(const std::string& folder, bool second)>& visit) {
  auto mounts = readFile(root + "/proc/self/mountinfo"), groups = readFile(root + "/proc/self/cgroup");
  if (!mounts || !groups) return visit(root + "/sys/fs/cgroup", true);
  for (const Hierarchy& hierarchy : mountedHierarchies(*mounts, controller)) {
    auto group = groupIn(*groups, hierarchy, controller);
    if (!group) continue;
    std::string below = *group;
    if (hierarchy.mounted != "/" && (below + "/").starts_with(hierarchy.mounted + "/")) below = below.substr(hierarchy.mounted.size());
    while (true) {
      while (below.ends_with('/')) below.pop_back();
      visit(root + hierarchy.mount + below, hierarchy.second);
      if (below.empty()) break;
      below.resize(below.rfind('/') == std::string::npos ? 0 : below.rfind('/'));
    }
  }
}

}  // namespace quern
