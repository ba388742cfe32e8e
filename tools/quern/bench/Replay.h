// tools/quern/bench/Replay.h — do tuned kernels help in the model? The whole model with and without them, in turn.
#pragma once

#include "models/Model.h"
#include "tools/quern/cli/Words.h"
#include "tuner/Tuner.h"

#include <set>
#include <string>
#include <vector>

namespace quern {

/// Ops of one kind whose tuned schedules are not the default, in the model: time with them over time without.
struct ReplayRow {
  std::string kind;  ///< "matmul", "attention", ...; "all": every one of them
  std::vector<OpDesc> ops;
  Spread prefill, decode;  ///< of the ratio; median 0: not timed
  bool takenBack = false;  ///< it does not help: its ops run their defaults again
};

struct ReplaySettings {
  int threads = 1;
  double seconds = 10;  ///< at most, over all kinds
  Stop stop;
  std::function<void(const std::string& what)> progress;
};

/// `changed`: the ops whose schedule is not the default now. What does not help is taken back in the library's records.
/// Errors   as Model::load; as TuningDb::add. Fewer rows once `stop` is asked.
Result<std::vector<ReplayRow>> replayModel(KernelLibrary& library, const ModelSource& source, const std::vector<OpDesc>& changed,
                                           const ReplaySettings& settings);

/// Does a kind with these ratios stay? Not where prompts or tokens are surely slower and neither is surely faster, nor where both
/// together are slower as far as can be seen.
bool helps(const Spread& prefill, const Spread& decode);

/// For people; empty: nothing was replayed.
std::string text(const std::vector<ReplayRow>& rows);

}  // namespace quern
