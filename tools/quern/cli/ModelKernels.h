// tools/quern/cli/ModelKernels.h — where a command's kernels come from: a library with a compiler behind it, or a bundle alone.
#pragma once

#include "compiler/op/OpFile.h"
#include "compiler/store/Bundle.h"
#include "runtime/KernelProvider.h"
#include "tools/quern/cli/CommandLine.h"

#include <memory>
#include <vector>

namespace quern {

class ModelKernels {
public:
  virtual ~ModelKernels() = default;
  /// What an op runs with. Errors: what choosing, compiling and loading say.
  virtual Result<KernelSet> kernels(const OpDesc& op) = 0;
  /// Told every op before the first is asked for: they may be made side by side, on so many threads.
  virtual void prepare(const std::vector<OpDesc>&, int /*threads*/) {}
  /// The CPU they are for.
  virtual const Target& target() const = 0;
  /// What the model of the bundle they come from is computed in; nullptr: whatever is asked for.
  virtual const BundleArithmetic* bundled() const { return nullptr; }
  /// The model in the bundle, if there is one.
  virtual BundledModel ownModel() const { return {}; }
};

/// What --cpu, --cache and --bundle name: each program has its own, and its own flags among these (kernelFlags).
/// Errors   Machine: a CPU that this machine does not contain; as Bundle::open.
Result<std::unique_ptr<ModelKernels>> openModelKernels(const CommandLine& line);
CommandLine& kernelFlags(CommandLine& line);

/// Kernels of default schedules as they would describe themselves, none of them made. Null: this program knows only kernels that are there.
KernelProvider kernelsForeseen(const Target& target);

/// What a command on one op runs with, as its flags (opFlags) say it: of quern also a schedule or a loop program, tried out for `dims`.
/// Errors   as openModelKernels; what choosing, compiling and loading say.
Result<KernelSet> kernelsOfOp(const OpEntry& entry, const CommandLine& line, const DimValues& dims);
CommandLine& opFlags(CommandLine& line);

}  // namespace quern
