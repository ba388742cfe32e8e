// tools/quern/bench/Replay.h — do tuned kernels help in the model? The whole model with and without them, in turn.
#pragma once

#include "models/Session.h"
#include "tuner/Tuner.h"

#include <functional>
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
  /// Where it is written that it was done: with the same model and the same kernels it is not done again. Null: nowhere.
  Journal* journal = nullptr;
  bool again = false;     ///< whatever the journal says
  int64_t freeBytes = 0;  ///< of memory, to be had; 0: as the machine says
  /// In place of the clock: so many pairs of runs of the model without (a) and with (b) what was tuned of a kind. Injected by tests.
  std::function<PairSamples(const std::string& kind, bool prompt, int pairs)> timePairs;
};

struct Replay {
  std::vector<ReplayRow> rows;
  std::string leftOut;  ///< why there are none, or not all; empty: nothing kept it from them
};

/// `ops`: of the model; those that run what was tuned, and not the default, are replayed. What does not help is taken back in the
/// library's records. The model is in memory twice; where that does not fit it is left out.
/// Errors   as Session::load, but for memory; as TuningDb::add. Fewer rows once `stop` is asked.
Result<Replay> replayModel(KernelLibrary& library, const ModelSource& source, const std::vector<OpDesc>& ops,
                           const ReplaySettings& settings);

/// Does a kind with these ratios stay? Not where prompts or tokens are surely slower and neither is surely faster, nor where both
/// together are slower as far as can be seen.
bool helps(const Spread& prefill, const Spread& decode);

/// For people; empty: nothing was replayed.
std::string text(const Replay& replay);

}  // namespace quern
