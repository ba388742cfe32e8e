// tools/quern/bench/BenchPeers.h — an op beside the peers of --against: same data, alternating, its result checked.
#pragma once

#include "tools/quern/bench/BenchRow.h"
#include "tools/quern/bench/Peers.h"
#include "tuner/check/TimingOperands.h"

namespace quern {

struct AgainstSettings {
  int threads = 1;           ///< the peers'
  double seconds = 0.3;      ///< for each pair
  double settleSeconds = 0;  ///< timePair's: beyond what waiting threads spin
  Stop stop;
  TileSpeed* speed = nullptr;  ///< timePair's
};

/// Fills row.peers. `op`: all dimensions known; `ours`: the call whose result is in operands.result().
void benchAgainst(BenchRow& row, const std::vector<Peer>& peers, const OpDesc& op, TimingOperands& operands, const TimedCall& ours,
                  const AgainstSettings& settings);

/// The ratio to the fastest peer of each row over all rows, and a line for each peer: version and ways.
std::string againstFooter(const std::vector<BenchRow>& rows);

}  // namespace quern
