// tuner/check/TimingOperands.h — one set of operands for all candidates of an op.
#pragma once

#include "compiler/store/CallArguments.h"
#include "tuner/check/KernelCheck.h"

namespace quern {

/// Operands for timing: aligned, filled, one set for all candidates of an op (weights packed per layout).
class TimingOperands {
public:
  /// `dims`: what the op leaves open. Filling and packing them ends early once `stop` is asked.
  TimingOperands(const OpDesc& op, const DimValues& dims, const Stop& stop = {});
  TimingOperands(const TimingOperands&) = delete;  // packed weights are put where this is
  /// A call of `kernels` on these operands, which up to `threads` threads may run. Errors: as KernelCall::make; Stopped.
  Result<KernelCall> bind(const KernelSet& kernels, int threads = 1);

  const CheckInputs& inputs() const { return inputs_; }
  /// Where kernels leave their result: the output's array, or with acc=1 the input C.
  float* result() const { return result_; }

private:
  Stop stop_;
  CheckInputs inputs_;
  CallArguments arguments_;
  GuardedArray out_;
  std::vector<GuardedArray> packed_;
  float* result_ = nullptr;
};

}  // namespace quern
