// tools/quern/cli/LibraryKernels.cpp — a model's kernels of a program with a compiler: bundle, cache, or made now.
#include "tools/quern/cli/Library.h"
#include "tools/quern/cli/ModelKernels.h"

#include <map>

namespace quern {

namespace {

/// What an op runs with is decided once.
class LibraryKernels : public ModelKernels {
public:
  explicit LibraryKernels(std::unique_ptr<KernelLibrary> library) : library_(std::move(library)) {}

  void prepare(const std::vector<OpDesc>& ops, int threads) override {
    std::vector<std::pair<OpDesc, Schedule>> wanted;
    for (const OpDesc& op : ops) {
      auto choice = chosen(op);
      if (!choice) continue;
      wanted.emplace_back(op, choice->schedule);
      for (const SizeClass& small : choice->sized) wanted.emplace_back(op, small.schedule);
    }
    library_->prepare(wanted, threads);
  }
  Result<KernelSet> kernels(const OpDesc& op) override {
    auto choice = chosen(op);
    return choice ? library_->kernels(op, *choice) : Result<KernelSet>(choice.error());
  }
  const Target& target() const override { return library_->target(); }
  const BundleArithmetic* bundled() const override { return library_->bundledArithmetic(); }
  BundledModel ownModel() const override { return library_->modelInBundle(); }

private:
  Result<ScheduleChoice> chosen(const OpDesc& op) {
    auto [found, fresh] = choices_.try_emplace(text(op), ScheduleChoice{});
    if (!fresh) return found->second;
    auto choice = library_->choose(op);
    if (choice) found->second = *choice;
    else choices_.erase(found);
    return choice;
  }

  std::unique_ptr<KernelLibrary> library_;
  std::map<std::string, ScheduleChoice> choices_;
};

}  // namespace

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
