// tools/quern/commands/TuneText.h — what `tune` says at its end: a row an op, a few lines on the whole, the same as JSON, raw samples.
#pragma once

#include "tools/quern/cli/Json.h"
#include "tuner/Tuner.h"
#include "tuner/records/Journal.h"

#include <string>
#include <vector>

namespace quern {

/// What a run gained and what it did not look at.
struct TuneSummary {
  size_t ops = 0, faster = 0, stands = 0, untimed = 0, noisy = 0, cutShort = 0, unreached = 0, before = 0, beforeElsewhere = 0;
  std::string noise;                                 ///< of the last one
  std::string elsewhere;                             ///< where the last of those was tuned that were tuned before in another regime
  double leastGain = 1, mostGain = 1, meanGain = 1;  ///< of the faster ones: least, most, geometric mean
  int64_t tried = 0;                                 ///< schedules, over those whose default stands
  double within = 0;        ///< with 95 % certainty none of them beats its default by more than this; of the worst of those ops
  double workloadGain = 1;  ///< calls times time of all that was timed, before over after
};
TuneSummary summaryOf(const std::vector<TuneOutcome>& outcomes);
std::string text(const TuneSummary& summary);

std::string tableOf(const std::vector<TuneOutcome>& outcomes);
Json jsonOf(const std::vector<TuneOutcome>& outcomes);

/// One line a pair of blocks: op, at, anchor, schedule, turn, pair, ratio, anchor_ns. Of the runs about these ops.
std::string samplesCsv(const Journal& journal, const std::vector<TuneOutcome>& outcomes);

}  // namespace quern
