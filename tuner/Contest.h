// tuner/Contest.h — one op's candidates on one set of operands: is it right (the same bits as the verified default), and is
// it faster.
#pragma once

#include "compiler/jit/KernelLibrary.h"
#include "compiler/op/Workload.h"
#include "tuner/KernelCheck.h"

#include <memory>

namespace quern {

/// Operands for timing: aligned, filled, one set for all candidates of an op (weights packed per layout).
class TimingOperands {
public:
  /// Filling and packing them ends early once `stop` is asked.
  explicit TimingOperands(const OpDesc& fixedOp, const Stop& stop = {});
  /// A call of `kernel` on these operands, which up to `threads` threads may run. Errors: as KernelCall::make; Stopped.
  Result<KernelCall> bind(const KernelRef& kernel, const DimValues& dims, int threads = 1);

  const CheckInputs& inputs() const { return inputs_; }
  /// Where kernels leave their result: the output's array, or with acc=1 the input C.
  float* result() const;

private:
  OpDesc op_;
  Stop stop_;
  CheckInputs inputs_;
  GuardedArray out_;
  std::vector<std::pair<PackLayout, GuardedArray>> packed_;
};

/// The default's verified outputs on hard inputs; every other schedule of the same order must reproduce their bits.
class BitReference {
public:
  /// Checks `kernel` against the double reference and keeps what it gives. Errors: Internal where it is wrong; Stopped.
  static Result<BitReference> make(const KernelRef& kernel, const OpDesc& op, const DimValues& dims, const Stop& stop = {});
  /// Empty: the same bits. Otherwise what differs. Errors: Stopped.
  Result<std::string> differs(const KernelRef& kernel, const Stop& stop = {}) const;
  /// Of every kernel that does not differ: these runs were compared with the reference, at these dimensions.
  const Certificate& certificate() const { return certificate_; }

private:
  DimValues dims_;
  std::vector<CheckInputs> inputs_;  ///< of each run: filled once, candidates are many
  std::vector<std::vector<float>> outputs_;
  Certificate certificate_;
};

}  // namespace quern
