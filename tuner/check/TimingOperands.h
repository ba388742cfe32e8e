// tuner/check/TimingOperands.h — one set of operands for all candidates of an op.
#pragma once

#include "compiler/op/Workload.h"
#include "compiler/store/CallArguments.h"
#include "tuner/check/KernelCheck.h"

#include <map>

namespace quern {

/// Operands for timing: aligned, filled, one set for all candidates of an op (weights packed per layout).
class TimingOperands {
public:
  /// `dims`: what the op leaves open. Filling and packing them ends early once `stop` is asked. `coldBytes`: the weights are there so
  /// often that all of them together are at least as large; 0: once. `sizes`: a mix of calls, none larger than `dims`, that stands for
  /// one call of those.
  TimingOperands(const OpDesc& op, const DimValues& dims, const Stop& stop = {}, int64_t coldBytes = 0, std::vector<SizePoint> sizes = {});
  TimingOperands(const TimingOperands&) = delete;  // packed weights are put where this is
  /// A call of `kernels` on these operands, which up to `threads` threads may run. Errors: as KernelCall::make; Stopped.
  Result<KernelCall> bind(const KernelSet& kernels, int threads = 1);
  /// One round of the mix (without one: a call) for each set of weights: run in turn, every one finds its weights pushed out of the caches
  /// by the others'.
  Result<std::vector<std::vector<KernelCall>>> bindAll(const KernelSet& kernels, int threads = 1);

  const CheckInputs& inputs() const { return inputs_; }
  /// Where kernels leave their result: the output's array, or with acc=1 the input C.
  float* result() const { return result_; }

private:
  const void* copyOf(const void* weight, int64_t bytes, size_t which);
  Result<std::vector<KernelCall>> roundOf(const KernelSet& kernels, const std::vector<Operand>& operands, int threads) const;

  OpDesc op_;
  Stop stop_;
  CheckInputs inputs_;
  CallArguments arguments_;
  GuardedArray out_;
  std::vector<GuardedArray> packed_;
  size_t sets_ = 1;  ///< of weights
  std::vector<SizePoint> sizes_;
  std::map<const void*, std::vector<GuardedArray>> copies_;  ///< of weights as kernels read them, by the first set's
  float* result_ = nullptr;
};

}  // namespace quern
