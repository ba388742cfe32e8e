// tuner/worker/EntryTrials.h — kernels of a cache checked again on this machine.
#pragma once

#include "compiler/store/KernelArtifact.h"
#include "tuner/check/KernelCheck.h"
#include "tuner/worker/WorkerProcess.h"

#include <optional>
#include <string_view>

namespace quern {

/// What became of one.
struct EntryVerdict {
  enum Outcome : uint8_t { Right, Wrong, NotRun } outcome = NotRun;
  CheckReport report;  ///< of those that ran to the end
  std::string why;     ///< it is wrong, or was not run
};
/// "right", "wrong", "not run".
std::string_view nameOf(EntryVerdict::Outcome outcome);

/// Runs each entry's code in a process that may crash or hang of it.
class EntryTrials {
public:
  /// Against the reference at odd sizes, and where its certificate says that it was. Wrong is also what dies, or takes longer than two
  /// minutes. Not run: another program's, what this CPU lacks something for, what needs more memory than there is. Errors: Stopped;
  /// Machine, where there is no process to be had.
  Result<EntryVerdict> check(const KernelArtifact& artifact, const Stop& stop);

private:
  WorkerProcess& workerFor(double bytes);

  std::optional<WorkerProcess> worker_;
  double bytes_ = 0;  ///< that the worker's ops may take beside the usual
};

}  // namespace quern
