// tools/quern-run/BundleKernels.cpp — a model's kernels from a bundle alone.
#include "compiler/target/HostTarget.h"
#include "tools/quern/cli/ModelKernels.h"
#include "tools/quern/cli/Words.h"

#include <fmt/format.h>

namespace quern {

namespace {

class BundleKernels : public ModelKernels {
public:
  BundleKernels(Bundle bundle, const BundleCpu& cpu) : bundle_(std::move(bundle)), cpu_(cpu) {}

  Result<KernelSet> kernels(const OpDesc& op) override {
    auto set = bundle_.kernels(op, cpu_);
    const BundleArithmetic* model = bundled();
    if (set || model == nullptr || set.error().code != ErrorCode::BadInput || bundle_.manifest().set(text(op), cpu_.name) != nullptr)
      return set;
    return badInput(fmt::format("{}; its model is one of --compute {} --order {} --kv {}", set.error().message, model->compute,
                                model->order, model->kv));
  }
  /// What is wrong kernels() says.
  void prepare(const std::vector<OpDesc>& ops, int) override {
    for (const OpDesc& op : ops) (void)bundle_.kernels(op, cpu_);
  }
  const Target& target() const override { return cpu_.target; }
  const BundleArithmetic* bundled() const override { return cpu_.arithmetic ? &*cpu_.arithmetic : nullptr; }
  BundledModel ownModel() const override { return bundle_.modelFor(cpu_); }

private:
  Bundle bundle_;
  BundleCpu cpu_;
};

}  // namespace

namespace {

/// --bundle, and which of its CPUs this is.
struct ChosenBundle {
  Bundle bundle;
  BundleCpu cpu;
};

Result<ChosenBundle> chosenBundle(const CommandLine& line) {
  if (!line.has("bundle")) return badCommand("--bundle DIR is missing: what quern emit wrote");
  auto target = targetOf(line, true);
  if (!target) return target.error();
  auto bundle = Bundle::open(line.get("bundle"), {});
  if (!bundle) return bundle.error();
  auto cpu = bundle->cpuFor(*target);
  if (!cpu) return cpu.error();
  BundleCpu chosen = **cpu;
  return ChosenBundle{std::move(*bundle), std::move(chosen)};
}

}  // namespace

KernelProvider kernelsForeseen(const Target&) { return {}; }

Result<std::unique_ptr<ModelKernels>> openModelKernels(const CommandLine& line) {
  auto chosen = chosenBundle(line);
  if (!chosen) return chosen.error();
  return std::unique_ptr<ModelKernels>(std::make_unique<BundleKernels>(std::move(chosen->bundle), chosen->cpu));
}

static CommandLine& bundleFlags(CommandLine& line, const char* meaning) {
  line.value("bundle", "DIR", "", meaning);
  return line.value("cpu", "NAME|FILE", "host", "the CPU to run as: host, or a narrower one; \"host -gfni\": without");
}

CommandLine& kernelFlags(CommandLine& line) {
  return bundleFlags(line, "the kernels: what quern emit --model M -o DIR wrote").common({"threads"});
}

Result<KernelSet> kernelsOfOp(const OpEntry& entry, const CommandLine& line, const DimValues& /*dims*/) {
  auto chosen = chosenBundle(line);
  return chosen ? chosen->bundle.kernels(entry.op, chosen->cpu) : Result<KernelSet>(chosen.error());
}

CommandLine& opFlags(CommandLine& line) { return bundleFlags(line, "the kernels: what quern emit OP -o DIR wrote").common({}); }

}  // namespace quern
