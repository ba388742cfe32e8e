// tools/quern/bench/Peers.h — other libraries, found at run time as plug-ins (tools/peers).
#pragma once

#include "compiler/base/Result.h"
#include "compiler/target/Target.h"
#include "tools/peers/Peer.h"

#include <string>
#include <vector>

namespace quern {

/// One peer of a run.
struct Peer {
  std::string name;
  std::string absent;              ///< why it is not there; empty: it is
  std::string version, path;       ///< path: the library's own word, and where it was moved to the target's level, how
  const QuernPeer* api = nullptr;  ///< null: absent. Stays loaded as long as the process
};

/// The names in a list such as "onednn,blis". Errors: BadCommand for an unknown one, with the known ones.
Result<std::vector<std::string>> peerNames(const std::string& list);

/// Loads each, its path at the level of `target` where the library can be moved there: a child process loads it first and
/// tells what it picks. A variable that the user has set is left as it is. A peer that is not there is no error.
/// Threads  from one thread, before any other is started (it forks).
std::vector<Peer> loadPeers(const std::vector<std::string>& names, const Target& target, int threads);

}  // namespace quern
