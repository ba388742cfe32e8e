// compiler/store/KernelSet.h — what an op runs with here: its kernel for many rows, those for few, how its weight is packed.
#pragma once

#include "compiler/schedule/KernelInfo.h"
#include "compiler/schedule/QuernArgs.h"
#include "compiler/schedule/SizeBound.h"

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace quern {

/// Evidence that this kernel, by itself, was compared with the reference before it was stored. What it was decided to be in the
/// course of that ("winner", "pinned", "small calls") is said, and so is where: both are one line of text.
struct Certificate {
  int64_t cases = 0;          ///< comparisons that passed; 0: never verified
  double worstOverLimit = 0;  ///< largest error over its limit: at most 1
  std::string as;             ///< what it was verified as
  std::string of;             ///< sizes and inputs it was compared at
  bool operator==(const Certificate&) const = default;
};

/// A kernel that can be called, wherever its code came from.
struct CompiledKernel {
  KernelInfo info;
  QuernKernel* entry = nullptr;
  std::shared_ptr<void> owner;  ///< keeps the code mapped
  std::string origin;           ///< "compiled", "cache", "bundle", or the file of its loop program: for --log dispatch
  double compileMs = 0;
  Certificate certificate;  ///< of a kernel that was stored with one
};
using KernelRef = std::shared_ptr<const CompiledKernel>;

/// A kernel for calls up to a size.
struct SizedKernel {
  SizeBound most;
  KernelRef kernel;
};

/// Everything that one op runs with: kernels of the same op, weight layout and numeric order. Any of them gives the same bits.
struct KernelSet {
  static constexpr size_t kNoDim = SIZE_MAX;
  KernelRef wide;                           ///< for any size
  std::vector<SizedKernel> sized;           ///< for small ones, in their order
  size_t rowDim = kNoDim, keyDim = kNoDim;  ///< which of info().dims counts the rows, and the keys, where there are sized ones
  std::string from;                         ///< why these schedules: "pinned", "tuned", "default", "given", "bundle", or a file's name

  KernelSet() = default;
  /// One kernel for all sizes.
  KernelSet(KernelRef kernel) : wide(std::move(kernel)) {}  // NOLINT: a kernel is the set of it alone

  /// Finds rowDim and keyDim among info().dims, by their names.
  void goBy(const SizeDims& names);
  /// The one for a call with these dimensions: the first sized one that covers it, else the wide one.
  const KernelRef& forDims(std::span<const int64_t> dims) const;
  const KernelInfo& info() const { return wide->info; }
  const Certificate& certificate() const { return wide->certificate; }
  /// How its weight lies in memory, the same for all of its kernels; nullptr: it reads none that is packed.
  const PackLayout* packing() const;
};

}  // namespace quern
