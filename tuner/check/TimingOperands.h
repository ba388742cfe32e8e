// tuner/check/TimingOperands.h — one set of operands for all candidates of an op.
#pragma once

#include "compiler/store/CallArguments.h"
#include "tuner/check/KernelCheck.h"

#include <memory>

namespace quern {

/// Operands for timing: aligned, filled, one set for all candidates of an op (weights packed per layout).
class TimingOperands {
public:
  /// `dims`: what the op leaves open. Filling and packing them ends early once `stop` is asked. `coldBytes`: the weights are there so
  /// often that all of them together are at least as large; 0: once.
  TimingOperands(const OpDesc& op, const DimValues& dims, const Stop& stop = {}, int64_t coldBytes = 0);
  TimingOperands(const TimingOperands&) = delete;  // packed weights are put where this is
  /// A call of `kernels` on these operands, which up to `threads` threads may run. Errors: as KernelCall::make; Stopped.
  Result<KernelCall> bind(const KernelSet& kernels, int threads = 1);
  /// One for each set of weights: called in turn, every one finds its weights pushed out of the caches by the others'.
  Result<std::vector<KernelCall>> bindAll(const KernelSet& kernels, int threads = 1);

  const CheckInputs& inputs() const { return inputs_; }
  /// Where kernels leave their result: the output's array, or with acc=1 the input C.
  float* result() const { return result_; }

private:
  void bindArguments(CallArguments& arguments);
  void copyWeights();

  Stop stop_;
  int64_t coldBytes_;
  CheckInputs inputs_;
  CallArguments arguments_;
  std::vector<std::unique_ptr<CallArguments>> others_;  ///< on the weights' copies; made when they are first needed
  GuardedArray out_;
  std::vector<GuardedArray> packed_, copies_;
  float* result_ = nullptr;
};

}  // namespace quern
