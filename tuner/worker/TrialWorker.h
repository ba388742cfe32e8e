// tuner/worker/TrialWorker.h — candidates of one op verified and timed in a worker process: whatever they do costs one candidate.
#pragma once

#include "compiler/store/KernelArtifact.h"
#include "tuner/check/TimingOperands.h"
#include "tuner/check/BitReference.h"
#include "tuner/measure/Ceilings.h"
#include "tuner/measure/Timing.h"
#include "tuner/worker/WorkerProcess.h"

#include <map>
#include <set>

namespace quern {

struct TrialOptions {
  double patienceSeconds = 10;  ///< of a check or a turn of timing, beside what the default takes for the same
  /// For tests: what runs in the worker in a candidate's place.
  std::function<KernelRef(const KernelRef& real)> plant;
  int threads = 1;  ///< that share a call when it is timed
  /// More than one: makes, in the worker, what runs tasks on so many.
  std::function<TaskRunner(int threads)> runner;
};

/// Kernels are handed over as artifacts; none of their code runs in this process. The worker is forked when it is first needed, sees the
/// operands as they are then, and is forked anew after a candidate ended it.
class TrialWorker {
public:
  /// `anchor`: the verified default. `operands`, `bits`: of the op; both are used by the worker in its own copy of memory and outlive this.
  TrialWorker(const KernelSet& anchor, const OpDesc& op, const DimValues& dims, TimingOperands& operands, const BitReference& bits,
              TrialOptions options);

  /// Does it give the default's bits? Empty: yes; else what is wrong: what differs, or how the worker died of it. Errors: Stopped;
  /// Machine, where there is no worker to be had.
  Result<std::string> check(const KernelArtifact& kernel, const Stop& stop);
  /// The same on other inputs, and against the reference at the edge sizes of its tiles: after it was timed.
  Result<std::string> checkAgain(const KernelArtifact& kernel, const Schedule& schedule, const Stop& stop);
  /// Times it against the anchor (nullptr: the anchor against itself): a is the anchor's. Errors: Internal: how it died; Stopped; Machine.
  Result<PairSamples> time(const KernelArtifact* challenger, int pairs, const Stop& stop);

  /// What the core that times can do at most (measureCore). Errors: Stopped; Machine.
  Result<Ceilings> core(const Stop& stop);

  int64_t workers() const { return worker_.started(); }

private:
  struct Loaded {
    KernelSet kernels;
    std::vector<std::vector<KernelCall>> rounds;  ///< of calls of every size, one for each set of weights, run in turn
    int64_t inBlock = 0;                          ///< rounds of a block
    size_t next = 0;
    void run(const TaskRunner& runner) {
      for (KernelCall& call : rounds[next++ % rounds.size()])
        if (runner) call.run(runner);
        else call.run();
    }
  };
  // In the worker:
  std::string serve(std::string_view request);
  std::string serveLoad(const std::string& name, std::string_view artifact);
  std::string serveCheck(const std::string& name, bool after);
  std::string serveEdges(const std::string& name, const std::string& schedule);
  std::string serveTime(const std::string& challenger, int pairs);
  static std::string serveCore();
  // Here:
  Result<std::string> ask(const std::string& request, double seconds, const Stop& stop);
  Result<std::string> load(const KernelArtifact& kernel, const Stop& stop);
  Result<std::string> compareRuns(const KernelArtifact& kernel, BitRuns runs, const Stop& stop);
  double patience(double ofDefault) const { return options_.patienceSeconds + 20 * ofDefault; }

  KernelSet anchor_;
  OpDesc op_;
  DimValues dims_;
  TimingOperands& operands_;
  const BitReference& bits_;
  std::optional<BitReference> after_;
  TrialOptions options_;
  std::vector<GuardedArray> outputs_;     ///< shared with the worker, one a run
  std::map<std::string, Loaded> loaded_;  ///< in the worker, by schedule
  std::set<std::string> sent_;            ///< to the worker that runs now
  int64_t sentTo_ = 0;
  TaskRunner runner_;          ///< in the worker, of more than one thread
  double defaultSeconds_ = 0;  ///< of the runs of a check
  WorkerProcess worker_;
};

}  // namespace quern
