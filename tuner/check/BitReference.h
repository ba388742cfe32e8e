// tuner/check/BitReference.h — is a candidate right: does it give the bits of the verified default?
#pragma once

#include "compiler/store/KernelSet.h"
#include "tuner/check/KernelCheck.h"

namespace quern {

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
