// tuner/worker/EntryTrials.h — kernels of a cache checked again on this machine.
#pragma once

#include "compiler/store/KernelArtifact.h"
#include "tuner/check/KernelCheck.h"
#include "tuner/worker/WorkerProcess.h"

namespace quern {

/// What became of one.
struct EntryVerdict {
  enum Outcome : uint8_t { Right, Wrong, NotRun } outcome = NotRun;
  CheckReport report;  ///< of those that ran to the end
  std::string why;     ///< it is wrong, or was not run
};

/// Runs each entry's code in a process that may crash or hang of it.
class EntryTrials {
public:
  EntryTrials();

  /// Against the reference, where its certificate says that it was; without one at odd sizes. Not run: another generator's, or what this
  /// CPU lacks something for. Errors: Stopped; Machine, where there is no process to be had.
  Result<EntryVerdict> check(const KernelArtifact& artifact, const Stop& stop);

private:
  WorkerProcess worker_;
};

}  // namespace quern
