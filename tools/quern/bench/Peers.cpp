// tools/quern/bench/Peers.cpp — see Peers.h.
#include "tools/quern/bench/Peers.h"

#include "compiler/base/Log.h"
#include "compiler/base/Module.h"
#include "compiler/base/OwnPath.h"
#include "compiler/base/Text.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <optional>
#include <sys/wait.h>
#include <unistd.h>

namespace quern {

namespace {

std::vector<std::string> knownPeers() { return {"onednn", "openblas", "blis", "eigen"}; }

/// Where plug-ins lie: the build tree's folder, or where modules are.
std::vector<std::string> folders() {
  std::vector<std::string> all = moduleFolders();
  all.insert(all.begin(), ownFolder() + "/peers");
  return all;
}

/// Levels of the target's architecture up to its own, the highest first.
std::vector<std::string> levelsOf(const Target& target) {
  std::vector<std::string> levels;
  for (const IsaLevel& level : isaLevels()) {
    if (level.arch != target.isa().arch) continue;
    levels.insert(levels.begin(), std::string(level.name));
    if (level.name == target.level) break;
  }
  return levels;
}

/// A peer has one module, or one for each level of which the highest that the target has is taken. Empty: none.
std::string moduleOf(const std::string& name, const Target& target) {
  std::vector<std::string> names = {name};
  for (const std::string& level : levelsOf(target)) names.push_back(name + "-" + level);
  for (const std::string& each : names)
    for (const std::string& folder : folders()) {
      std::string path = fmt::format("{}/libquern-peer-{}.so", folder, each);
      if (::access(path.c_str(), R_OK) == 0) return path;
    }
  return {};
}

Result<const QuernPeer*> open(const std::string& module) {
  auto handle = loadModule(module);
  if (!handle) return handle.error();
  auto entry = reinterpret_cast<const QuernPeer* (*)()>(::dlsym(*handle, "quernPeer"));
  if (entry == nullptr || entry()->version != kQuernPeerVersion) return machineLacks(module + " is of another version");
  return entry();
}

struct Setting {
  std::string variable, value;
};

/// What a library does when it is loaded.
struct Probe {
  std::string failure;             ///< why it cannot be loaded; empty: it can
  std::string path, level;         ///< what it picks
  std::optional<Setting> atLevel;  ///< the setting that asks for the target's level
};

/// The child's side: lines in the order of Probe's fields.
std::string probeHere(const std::string& module, const std::string& level) {
  auto peer = open(module);
  if (!peer) return peer.error().message + "\n\n\n\n\n";
  const char* value = (*peer)->variable == nullptr ? nullptr : (*peer)->valueFor(level.c_str());
  return fmt::format("\n{}\n{}\n{}\n{}\n", (*peer)->path(), (*peer)->level(), value == nullptr ? "" : (*peer)->variable,
                     value == nullptr ? "" : value);
}

/// Loads a module in a child, with `setting` where there is one.
Probe probe(const std::string& module, const std::string& level, const Setting* setting) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {"no pipe", "", "", {}};
  pid_t child = ::fork();
  int refused = errno;
  if (child == 0) {
    if (int silent = ::open("/dev/null", O_WRONLY); silent >= 0) ::dup2(silent, STDERR_FILENO);
    if (setting != nullptr) ::setenv(setting->variable.c_str(), setting->value.c_str(), 1);
    std::string said = probeHere(module, level);
    bool written = ::write(ends[1], said.data(), said.size()) == static_cast<ssize_t>(said.size());
    ::_exit(written ? 0 : 1);
  }
  ::close(ends[1]);
  std::string said;
  char piece[512];
  for (ssize_t got; (got = ::read(ends[0], piece, sizeof piece)) > 0;) said.append(piece, static_cast<size_t>(got));
  ::close(ends[0]);
  if (child < 0) return {fmt::format("no process can be started to try it in: {}", std::strerror(refused)), "", "", {}};
  ::waitpid(child, nullptr, 0);
  std::vector<std::string> lines = split(said, '\n');
  if (lines.size() < 5) return {"it ends the process that loads it", "", "", {}};
  Probe found{lines[0], lines[1], lines[2], {}};
  if (!lines[3].empty()) found.atLevel = Setting{lines[3], lines[4]};
  return found;
}

/// What is known of a peer before it is loaded here.
struct Found {
  std::string module, failure, remark;  ///< remark: how its path was moved, for people
};

/// Looks at a peer in a child and moves it to the target's level by its environment variable, if it can be moved.
Found find(const std::string& name, const Target& target) {
  Found found{moduleOf(name, target), "", ""};
  if (found.module.empty()) return found;
  Probe own = probe(found.module, target.level, nullptr);
  found.failure = own.failure;
  if (!own.failure.empty()) return found;
  std::vector<std::string> levels = levelsOf(target);
  bool same = own.level == target.level, below = std::find(levels.begin(), levels.end(), own.level) != levels.end();
  std::string standing = same ? "" : fmt::format("{} {}", below ? "below" : "above", target.level);
  const char* given = own.atLevel ? std::getenv(own.atLevel->variable.c_str()) : nullptr;
  if (given != nullptr) {
    found.remark = fmt::format("{}{}={} is set", same ? "" : standing + ": ", own.atLevel->variable, escaped(given));
    return found;
  }
  if (same || !own.atLevel) {
    found.remark = standing;
    return found;
  }
  const Setting& setting = *own.atLevel;
  Probe moved = probe(found.module, target.level, &setting);
  if (!moved.failure.empty() || moved.level == own.level) {
    found.remark = fmt::format("{}: {}={} does not move it", standing, setting.variable, setting.value);
    return found;
  }
  ::setenv(setting.variable.c_str(), setting.value.c_str(), 1);
  found.remark = fmt::format("picked {}, {} by {}={}{}", own.path, below ? "forced" : "held down", setting.variable, setting.value,
                             moved.level == target.level ? "" : ", still not " + target.level);
  return found;
}

}  // namespace

Result<std::vector<std::string>> peerNames(const std::string& list) {
  std::vector<std::string> names, known = knownPeers();
  for (const std::string& word : split(list, ',')) {
    std::string name(trim(word));
    if (std::find(known.begin(), known.end(), name) == known.end())
      return badCommand(
          fmt::format("bench: --against: unknown peer '{}'{}; peers: {}", escaped(name), didYouMean(name, known), join(known, ", ")));
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

std::vector<Peer> loadPeers(const std::vector<std::string>& names, const Target& target, int threads) {
  // Threads that wait spin for about 0.1 ms (of itself OpenBLAS: 26), which is longer than any gap between two calls of a
  // peer and shorter than the pause before a block: no library's workers disturb the other's blocks.
  if (threads > 1)
    for (auto [variable, value] : {std::pair{"GOMP_SPINCOUNT", "5000"}, {"OPENBLAS_THREAD_TIMEOUT", "18"}}) ::setenv(variable, value, 0);
  std::vector<Found> found;
  for (const std::string& name : names) found.push_back(find(name, target));
  // Loaded only now: libraries start threads, and no child is forked beside those.
  std::vector<Peer> peers;
  for (size_t i = 0; i < names.size(); ++i) {
    Peer peer{names[i], "", "", "", nullptr};
    auto api = found[i].module.empty()    ? Result<const QuernPeer*>(machineLacks("no plug-in"))
               : found[i].failure.empty() ? open(found[i].module)
                                          : Result<const QuernPeer*>(machineLacks(found[i].failure));
    if (api) {
      peer.api = *api;
      peer.version = peer.api->libraryVersion();
      peer.path = peer.api->path() + (found[i].remark.empty() ? "" : fmt::format(" ({})", found[i].remark));
    } else {
      peer.absent = (found[i].module.empty() ? "" : escaped(api.error().message) + "; ") + "run tools/peers/install";
    }
    logLine(LogTopic::Dispatch, fmt::format("peer {}: {}", peer.name,
                                            peer.api == nullptr ? "absent: " + peer.absent
                                                                : fmt::format("{} {} from {}", peer.version, peer.path, found[i].module)));
    peers.push_back(std::move(peer));
  }
  return peers;
}

}  // namespace quern
