// tuner/OpTimes.cpp — OpContest: samples of the clock, as far as the machine can have taken them.
#include "compiler/base/Log.h"
#include "tuner/OpContest.h"

#include <fmt/format.h>

namespace quern {

Result<PairSamples> OpContest::samplesOf(Entrant* challenger, int pairs) {
  if (options_.timePairs) return options_.timePairs(text(base_), challenger == nullptr ? text(base_) : text(challenger->schedule), pairs);
  auto kernel = challenger == nullptr ? Result<const KernelArtifact*>(nullptr) : kernelOf(*challenger);
  if (!kernel) return kernel.error();
  return worker_->time(*kernel, pairs, times_.all);
}

/// The ceilings of the worker's core, measured once for all ops, and again where something went through them: something else may have run
/// beside the first measurement, so the higher counts.
void OpContest::raiseCore() {
  if (options_.timePairs) return;
  if (auto measured = worker_->core(times_.all)) raiseTo(core_, *measured);
}

Result<PairSamples> OpContest::possibleSamples(Entrant* challenger, int pairs) {
  constexpr int kTries = 4;
  if (core_.fmaGflops == 0) raiseCore();
  for (int tries = 1;; ++tries) {
    auto samples = samplesOf(challenger, pairs);
    if (!samples || times_.all.asked()) return samples;
    double least = meanOf(item_, [&](const OpDesc& bound) { return leastNs(bound, core_); }) / sharing();
    double share = shareOfCeiling(*samples, least);
    if (share <= kMostOverCeiling) return samples;
    std::string why = fmt::format("measured at {:.2f} of the ceiling: an error of measurement", share);
    if (tries == kTries) return internalError(why);
    logLine(LogTopic::Tune, fmt::format("{} | {}: {}", outcome_.op, text(challenger == nullptr ? base_ : challenger->schedule), why));
    raiseCore();
  }
}

}  // namespace quern
