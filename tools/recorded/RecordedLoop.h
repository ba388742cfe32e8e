// tools/recorded/RecordedLoop.h — a recording's model workload: steps of one forward each, then a random id appended.
#pragma once

#include "compiler/jit/KernelLibrary.h"
#include "models/Session.h"
#include "tools/report/RecordFile.h"
#include "tuner/measure/Ceilings.h"

namespace quern {

class RecordedLoop {
public:
  /// Builds and initialises the model. Errors: as configOf, Session::load.
  static Result<std::unique_ptr<RecordedLoop>> make(const RecordModel& model, int32_t seed, KernelLibrary& library,
                                                    const std::string& schedule, int threads);

  /// What does not agree with the recording: parameter count, prompt ids.
  std::vector<std::string> wrong() const;

  /// All steps; every forward gives all its logits. `cached`: with the key/value cache instead of full forwards, which the recording
  /// did not.
  void run(bool cached);
  /// What all steps take at the machine's ceilings. Of each forward what binds: its flops, or the bytes of the weights and of the
  /// positions before it, from the level that the weights live in. 0: not measured. Errors: as ForwardCost::of.
  Result<double> leastNs(bool cached, const Ceilings& ceilings) const;
  /// Milliseconds to get every kernel of the model from a library.
  Result<double> kernelsMs(KernelLibrary& from) const;

  double createMs() const { return createMs_; }
  const PlanMemory& memory() const { return model_->model().plan()->memory(); }
  const RecordModel& record() const { return record_; }
  int threads() const { return threads_; }

private:
  RecordedLoop(const RecordModel& record, KernelLibrary& library, std::string schedule)
      : record_(record), library_(library), schedule_(std::move(schedule)) {}

  RecordModel record_;
  KernelLibrary& library_;
  std::string schedule_;
  std::unique_ptr<Session> model_;
  std::vector<int32_t> ids_;  ///< prompt, then the ids appended
  std::vector<float> logits_;
  int32_t seed_ = 42;
  int64_t parameters_ = 0;
  double createMs_ = 0;
  int threads_ = 1;
};

}  // namespace quern
