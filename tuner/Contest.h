// tuner/Contest.h — one op's candidates on one set of operands: is it right (the same bits as the verified default), and is
// it faster.
#pragma once

#include "compiler/jit/KernelLibrary.h"
#include "compiler/op/Workload.h"
#include "compiler/store/CallArguments.h"
#include "tuner/KernelCheck.h"

#include <memory>

namespace quern {

/// Operands for timing: aligned, filled, one set for all candidates of an op (weights packed per layout).
class TimingOperands {
public:
  /// `dims`: what the op leaves open. Filling and packing them ends early once `stop` is asked.
  TimingOperands(const OpDesc& op, const DimValues& dims, const Stop& stop = {});
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

/// The default's verified outputs on hard inputs; every other schedule of the same order must reproduce their bits.
class BitReference {
public:
  /// Checks `kernel` against the double reference and keeps what it gives. Errors: Internal where it is wrong; Stopped.
  static Result<BitReference> make(const KernelSet& kernel, const OpDesc& op, const DimValues& dims, const Stop& stop = {});
  /// Empty: the same bits. Otherwise what differs. Errors: Stopped.
  Result<std::string> differs(const KernelSet& kernel, const Stop& stop = {}) const;
  /// Of every kernel that does not differ: these runs were compared with the reference, at these dimensions.
  const Certificate& certificate() const { return certificate_; }

private:
  DimValues dims_;
  std::vector<CheckInputs> inputs_;  ///< of each run: filled once, candidates are many
  std::vector<std::vector<float>> outputs_;
  Certificate certificate_;
};

}  // namespace quern
