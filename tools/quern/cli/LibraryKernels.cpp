// tools/quern/cli/LibraryKernels.cpp — a model's kernels of a program with a compiler: bundle, cache, or made now.
#include "compiler/jit/OpKernels.h"
#include "compiler/loops/Lower.h"
#include "tools/quern/cli/Library.h"
#include "tools/quern/cli/ModelKernels.h"

namespace quern {

namespace {

class LibraryKernels : public ModelKernels {
public:
  explicit LibraryKernels(std::unique_ptr<KernelLibrary> library) : library_(std::move(library)), kernels_(*library_) {}

  void prepare(const std::vector<OpDesc>& ops, int threads) override { kernels_.prepare(ops, threads); }
  Result<KernelSet> kernels(const OpDesc& op) override { return kernels_.kernels(op); }
  const Target& target() const override { return library_->target(); }
  const BundleArithmetic* bundled() const override { return library_->bundledArithmetic(); }
  BundledModel ownModel() const override { return library_->modelInBundle(); }

private:
  std::unique_ptr<KernelLibrary> library_;
  OpKernels kernels_;
};

}  // namespace

KernelProvider kernelsForeseen(const Target& target) {
  return [target](const OpDesc& op) -> Result<KernelSet> {
    Schedule schedule = defaultSchedule(op, target);
    auto program = lower(op, schedule, target);
    if (!program) return program.error();
    auto kernel = std::make_shared<CompiledKernel>();
    kernel->info = kernelInfoOf(*program, op, schedule);
    return KernelSet(std::move(kernel));
  };
}

Result<std::unique_ptr<ModelKernels>> openModelKernels(const CommandLine& line) {
  auto library = libraryOf(line, true);
  if (!library) return library.error();
  return std::unique_ptr<ModelKernels>(std::make_unique<LibraryKernels>(std::move(*library)));
}

CommandLine& kernelFlags(CommandLine& line) { return line.common({"cpu", "cache", "bundle", "threads"}); }

Result<KernelSet> kernelsOfOp(const OpEntry& entry, const CommandLine& line, const DimValues& dims) {
  auto library = libraryOf(line, true);
  if (!library) return library.error();
  return kernelsFor(**library, entry, line, dims);
}

CommandLine& opFlags(CommandLine& line) {
  return line.common({"cpu", "schedule", "cache", "bundle"}).value("loops", "FILE", "", "this loop program in place of the generated one");
}

}  // namespace quern
