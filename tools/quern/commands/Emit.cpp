// tools/quern/commands/Emit.cpp — `quern emit`: a bundle of kernels that runs without a compiler.
#include "compiler/ArgsHeader.h"
#include "compiler/PackHeader.h"
#include "compiler/base/Files.h"
#include "compiler/base/Sha256.h"
#include "compiler/base/Text.h"
#include "compiler/base/Toml.h"
#include "compiler/jit/CodegenModule.h"
#include "compiler/target/HostTarget.h"
#include "compiler/target/UsableCpus.h"
#include "tools/quern/commands/BundleHeader.h"
#include "tools/quern/commands/BundleWeights.h"
#include "tools/quern/cli/Progress.h"
#include "tools/quern/commands/Command.h"
#include "tools/quern/cli/Library.h"
#include "tools/quern/cli/ModelOpen.h"
#include "tools/quern/cli/ModelRun.h"
#include "tools/quern/commands/Workloads.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <map>

namespace quern {

static const CommandInfo kEmitInfo = {
    "emit", "OP|--suite FILE|--model M -o DIR [--cpu A,B,...]", "a bundle: objects, static and shared library, C header, manifest",
    "  quern emit matmul m=64 n=64 k=64 -o bundle\n"
    "  quern emit \"matmul m=* n=768 k=768 const=b tb=1 w=q4_0\" -o bundle    kernels for few rows and for many; bundle/kernels.h says how "
    "to call them\n  quern emit -m model.gguf -o bundle --weights --cpu host,haswell          a model for quern-run, for several CPUs\n  "
    "quern emit --suite transformer-f32 -o bundle --cpu haswell,skylake-avx512\n"};

namespace {

/// quern_matmul_m64_n64_k64: readable.
std::string symbolOf(const OpDesc& op) {
  std::string name = "quern_";
  for (char c : text(op)) {
    bool word = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (word) name += c;
    else if (c == '*') name += "any";
    else if (c != '=' && name.back() != '_') name += '_';
  }
  while (name.back() == '_') name.pop_back();
  return name.substr(0, 80);
}

/// The manifest being filled: each kernel once, however many sets it is in.
class BundleMaker {
public:
  /// A CPU that sets are then added for.
  void cpu(BundleCpu cpu) { manifest_.cpus.push_back(std::move(cpu)); }
  /// The kernels that the library would run the op with on the last CPU. Errors: what choosing and compiling say.
  Result<void> add(KernelLibrary& library, const OpDesc& op, const ScheduleChoice& choice) {
    auto wide = kernel(library, op, choice.schedule);
    if (!wide) return wide.error();
    const KernelInfo& info = manifest_.kernel(*wide)->info;
    BundleSet set{"", info.op, info.contract, {manifest_.cpus.back().name}, *wide, {}, sizeDimsOf(op)};
    for (const SizeClass& small : choice.sized) {
      auto symbol = kernel(library, op, small.schedule);
      if (!symbol) return symbol.error();
      set.sized.emplace_back(small.most, *symbol);
    }
    for (BundleSet& other : manifest_.sets)
      if (other.op == set.op && other.wide == set.wide && other.sized == set.sized) {  // another CPU has the same
        if (other.cpus.back() != set.cpus[0]) other.cpus.push_back(set.cpus[0]);
        return {};
      }
    set.symbol = nameOf(op, *wide);
    manifest_.sets.push_back(std::move(set));
    return {};
  }
  BundleManifest& manifest() { return manifest_; }

private:
  /// Its symbol: unique through a piece of the key's hash.
  Result<std::string> kernel(KernelLibrary& library, const OpDesc& op, const Schedule& schedule) {
    auto key = hashOf(kernelKey(op, schedule, library.target()));
    if (!key) return key.error();
    std::string symbol = symbolOf(op) + "_" + key->substr(0, 8);
    if (manifest_.kernel(symbol) != nullptr) return symbol;
    auto artifact = library.compileAs(symbol, op, schedule);
    if (!artifact) return artifact.error();
    auto hash = sha256(artifact->object);
    if (!hash) return hash.error();
    manifest_.kernels.push_back({symbol, artifact->info, *hash, std::move(artifact->object)});
    return symbol;
  }
  /// The op's; its wide kernel's where another set has that already: on another CPU, or of an op that begins the same.
  std::string nameOf(const OpDesc& op, const std::string& wide) const {
    std::string name = symbolOf(op);
    for (const BundleSet& set : manifest_.sets)
      if (set.symbol == name) return wide + "_set";
    return name;
  }

  BundleManifest manifest_;
};

/// The ops of a bundle: named, or a model's, which are each CPU's own.
class BundleOps {
public:
  static Result<BundleOps> of(const CommandLine& line) {
    int kinds = (line.words().empty() ? 0 : 1) + line.has("suite") + line.has("model");
    if (kinds != 1) return badCommand("emit: one of an op, --suite and --model");
    if (auto good = checkModelFlag(line); !good) return good.error();
    for (const char* flag : {"kv", "weights"})
      if (line.has(flag) && !line.has("model")) return badCommand(fmt::format("--{} goes with --model", flag));
    BundleOps ops;
    if (line.has("suite")) {
      auto suite = readSuite(line.get("suite"));
      if (!suite) return suite.error();
      ops.named_ = std::move(suite->entries);
    } else if (line.has("model")) {
      if (line.has("weights") && line.has("lora"))
        return badCommand("emit: --lora does not go with --weights: a bundle's own model has its file's weights");
      auto source = openModelOf(line);
      if (!source) return source.error();
      auto kv = kvTypeOf(line);
      if (!kv) return kv.error();
      if (auto good = checkKvType(*source, *kv); !good) return good.error();
      ops.model_ = std::move(*source), ops.kv_ = *kv;
    } else {
      auto entry = opFromWords(line.words());
      if (!entry) return entry.error();
      ops.named_.push_back(std::move(*entry));
    }
    return ops;
  }

  /// Those of one CPU, which is told what its model is computed in.
  Result<std::vector<OpEntry>> on(BundleCpu& cpu, const CommandLine& line) {
    if (!model_) return named_;
    if (auto good = computeFor(line, cpu.target, *model_); !good) return good.error();
    auto workload = modelWorkload(*model_, cpu.target, kv_);
    if (!workload) return workload.error();
    cpu.arithmetic =
        BundleArithmetic{std::string(nameOf(model_->compute)), model_->order == PairOrder::Pairs ? "pairs" : "tile32", line.get("kv")};
    std::vector<OpEntry> entries;
    for (const WorkloadItem& item : workload->items) entries.push_back({"", item.op, "", "", ""});
    return entries;
  }

  /// null: they are no model's.
  const ModelSource* model() const { return model_ ? &*model_ : nullptr; }
  ElementType kv() const { return kv_; }

private:
  std::vector<OpEntry> named_;
  std::optional<ModelSource> model_;
  ElementType kv_ = ElementType::F32;
};

/// The CPUs that --cpu names, each once. Errors: as findTarget.
Result<std::vector<BundleCpu>> cpusOf(const CommandLine& line) {
  std::vector<BundleCpu> cpus;
  for (const std::string& name : split(line.get("cpu"), ',')) {
    auto target = findTarget(name);
    if (!target) return target.error();
    if (std::none_of(cpus.begin(), cpus.end(), [&](const BundleCpu& other) { return other.name == name; }))
      cpus.push_back({name, std::move(*target), {}});
  }
  return cpus;
}

/// The manifest of the bundle in a folder; "" where there is none.
/// Errors   BadInput: files of others would be written over.
Result<std::string> bundleIn(const std::string& directory) {
  auto manifest = readFile(directory + "/manifest.toml");
  if (manifest && manifest->starts_with(kManifestStart)) return manifest;
  if (!manifest && manifest.error().code == ErrorCode::Machine) return manifest.error();
  for (const char* name : {"manifest.toml", "kernels.h", "quern_args.h", "quern_pack.h"})
    if (std::error_code none; std::filesystem::exists(directory + "/" + name, none))
      return badInput(fmt::format("{}/{}: is there and of no bundle of quern's; name a new folder", escaped(directory), name));
  return std::string();
}

/// Objects and libraries of the bundle before that are not of this one.
void removeOthers(const std::string& directory, const std::string& manifest,
                  const std::vector<std::pair<std::string, std::string>>& files) {
  std::error_code failed;  // what stays is in no manifest
  for (const auto& entry : std::filesystem::directory_iterator(directory, failed)) {
    std::string name = entry.path().filename().string();
    bool theirs =
        manifest.find(fmt::format("object = {}\n", tomlQuoted(name))) != std::string::npos || name.starts_with("libquern_kernels");
    bool ours = std::any_of(files.begin(), files.end(), [&](const auto& file) { return file.first == name; });
    if (theirs && !ours) std::filesystem::remove(entry.path(), failed);
  }
}

/// Writes everything; libraries one per architecture (the first architecture's have the plain name).
Result<void> writeBundle(const std::string& directory, const BundleManifest& bundle) {
  auto api = codegenModule();
  if (!api) return api.error();
  std::map<std::string, std::vector<NamedObject>> byArch;
  for (const BundleKernel& kernel : bundle.kernels) {
    auto contract = parseContract(kernel.info.contract);
    if (!contract) return contract.error();
    byArch[std::string(contract->isa().arch)].push_back({kernel.symbol + ".o", kernel.object});
  }
  std::vector<std::pair<std::string, std::string>> files = {
      {"kernels.h", bundleHeader(bundle)}, {"manifest.toml", text(bundle)}, {"quern_args.h", kArgsHeader}, {"quern_pack.h", kPackHeader}};
  for (const auto& [arch, objects] : byArch) {
    std::string name = byArch.size() == 1 ? "libquern_kernels" : "libquern_kernels-" + arch;
    auto archive = (*api)->staticLibrary(objects);
    if (!archive) return archive.error();
    auto shared = (*api)->sharedLibrary(objects, name + ".so");
    if (!shared) return shared.error();
    files.emplace_back(name + ".a", std::move(*archive));
    files.emplace_back(name + ".so", std::move(*shared));
    for (const NamedObject& object : objects) files.emplace_back(object.name, object.bytes);
  }
  auto before = bundleIn(directory);
  if (!before) return before.error();
  if (auto good = makeDirectories(directory); !good) return good;
  for (const auto& [name, bytes] : files)
    if (auto good = writeFileAtomically(directory + "/" + name, bytes); !good) return good;
  removeOthers(directory, *before, files);
  removeModels(directory, *before, bundle);
  return {};
}

/// --weights: before the manifest, so that it names what is there.
Result<void> addModel(const CommandLine& line, const BundleOps& ops, BundleManifest& manifest) {
  std::string directory = line.get("output");
  if (auto good = makeDirectories(directory); !good) return good;
  ModelOptions options;
  options.kvType = ops.kv();
  options.threads = usableCpus();
  ProgressBar bar(wantsProgress(line), "packing", humanBytes);
  options.progress = [&](double packed, double all) { bar.show(packed, all); };
  if (!line.has("quiet")) options.note = [&bar](const std::string& said) { bar.clear(), std::fprintf(stderr, "%s\n", said.c_str()); };
  return writeModel(directory, *ops.model(), manifest, options);
}

}  // namespace

static Result<int> runEmit(std::vector<std::string> args) {
  CommandLine line(kEmitInfo, std::move(args));
  line.common({"cache", "schedule"})
      .value("cpu", "A,B,...", "host", "the CPUs to compile for")
      .value("suite", "FILE", "", "every op of a suite");
  computeFlags(modelFlag(line, "every op of a model"))
      .value("kv", "TYPE", "f32", "what the model's KV cache keeps: f32, f16, bf16 or q8 (heads of a multiple of 32)")
      .toggle("weights", "the model too: its weights packed for each CPU, its description; it then runs without -m")
      .value("output", "DIR", "", "where the bundle goes", 'o');
  auto go = ready(line);
  if (!go || !*go) return go ? Result<int>(0) : Result<int>(go.error());
  if (!line.has("output")) return badCommand("emit: -o DIR is missing");
  if (auto good = bundleIn(line.get("output")); !good) return good.error();
  auto cpus = cpusOf(line);
  if (!cpus) return cpus.error();
  auto ops = BundleOps::of(line);
  if (!ops) return ops.error();
  BundleMaker maker;
  size_t done = 0;
  for (BundleCpu& cpu : *cpus) {
    auto entries = ops->on(cpu, line);
    if (!entries) return entries.error();
    maker.cpu(cpu);
    KernelLibrary library(cpu.target, cacheDirectories(line.get("cache")));
    size_t all = cpus->size() * entries->size();
    for (const OpEntry& entry : *entries) {
      auto choice = chooseFor(library, entry, line);
      if (!choice) return choice.error();
      if (auto good = maker.add(library, entry.op, *choice); !good) return good.error();
      if (wantsProgress(line) && all > 1) std::fprintf(stderr, "\r\033[Kemit %zu/%zu", ++done, all);
    }
  }
  if (done > 0) std::fprintf(stderr, "\r\033[K");
  if (line.has("weights"))
    if (auto good = addModel(line, *ops, maker.manifest()); !good) return good.error();
  if (auto good = writeBundle(line.get("output"), maker.manifest()); !good) return good.error();
  size_t count = maker.manifest().kernels.size();
  if (auto good = writeResult(fmt::format("{} kernel{} written to {}\n", count, count == 1 ? "" : "s", line.get("output"))); !good)
    return good.error();
  return 0;
}

Command emitCommand() { return {kEmitInfo, runEmit}; }

}  // namespace quern
