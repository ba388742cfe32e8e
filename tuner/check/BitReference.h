// tuner/check/BitReference.h — is a candidate right: does it give the bits of the verified default?
#pragma once

#include "compiler/store/KernelSet.h"
#include "tuner/check/KernelCheck.h"

#include <span>

namespace quern {

/// Which runs: what a candidate must pass before it is timed, and other data, otherwise aligned, that it meets after that.
enum class BitRuns : uint8_t { Before, After };

/// The default's verified outputs on hard inputs; every other schedule of the same order must reproduce their bits.
class BitReference {
public:
  /// Checks `kernel` against the double reference and keeps what it gives. Errors: Internal where it is wrong; Stopped.
  static Result<BitReference> make(const KernelSet& kernel, const OpDesc& op, const DimValues& dims, const Stop& stop = {},
                                   BitRuns runs = BitRuns::Before);
  /// What `kernel` gives in run `r` of runs(). Inputs are read-only while it runs. Errors: Internal: it wrote between rows; Stopped.
  Result<std::vector<float>> output(const KernelSet& kernel, size_t r, const Stop& stop = {}) const;
  /// Empty: the same bits. Otherwise what differs.
  std::string compare(size_t r, std::span<const float> output) const;
  /// Both, over all runs. Errors: those of output.
  Result<std::string> differs(const KernelSet& kernel, const Stop& stop = {}) const;

  static size_t runs() { return 2; }
  /// Elements of a run's output.
  size_t elements(size_t r) const { return outputs_[r].size(); }
  /// Of every kernel that does not differ: these runs were compared with the reference, at these dimensions.
  const Certificate& certificate() const { return certificate_; }

private:
  BitRuns which_ = BitRuns::Before;
  DimValues dims_;
  std::vector<CheckInputs> inputs_;  ///< of each run: filled once, candidates are many
  std::vector<std::vector<float>> outputs_;
  Certificate certificate_;
};

}  // namespace quern
