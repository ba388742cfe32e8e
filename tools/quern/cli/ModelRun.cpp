// tools/quern/cli/ModelRun.cpp — see ModelRun.h.
#include "tools/quern/cli/ModelRun.h"

#include "compiler/base/Text.h"
#include "compiler/target/UsableCpus.h"
#include "tools/quern/cli/ModelOpen.h"
#include "tools/quern/cli/Progress.h"

#include <cstdio>
#include <fmt/format.h>
#include <map>

namespace quern {

namespace {

/// A model's kernels from a library. What an op runs with is decided once.
class ModelKernels {
public:
  ModelKernels(KernelLibrary& library, int threads) : library_(library), threads_(threads) {}

  void prepare(const std::vector<OpDesc>& ops) {
    std::vector<std::pair<OpDesc, Schedule>> wanted;
    for (const OpDesc& op : ops) {
      auto choice = chosen(op);
      if (!choice) continue;
      wanted.emplace_back(op, choice->schedule);
      for (const SizeClass& small : choice->sized) wanted.emplace_back(op, small.schedule);
    }
    library_.prepare(wanted, threads_);
  }
  Result<KernelSet> operator()(const OpDesc& op) {
    auto choice = chosen(op);
    return choice ? library_.kernels(op, *choice) : Result<KernelSet>(choice.error());
  }

private:
  Result<ScheduleChoice> chosen(const OpDesc& op) {
    auto [found, fresh] = choices_.try_emplace(text(op), ScheduleChoice{});
    if (!fresh) return found->second;
    auto choice = library_.choose(op);
    if (choice) found->second = *choice;
    else choices_.erase(found);
    return choice;
  }

  KernelLibrary& library_;
  int threads_;
  std::map<std::string, ScheduleChoice> choices_;
};

}  // namespace

KernelProvider kernelsFor(KernelLibrary& library, std::string schedule) {
  return [&library, schedule = std::move(schedule)](const OpDesc& op) { return library.kernels(op, schedule); };
}

CommandLine& modelFlags(CommandLine& line) {
  modelFlag(line, "a .gguf file, a folder with config.json and *.safetensors, or a name in configs/models");
  line.value("context", "N", "0", "positions of the KV cache (default: the model's own)", 'c');
  line.value("kv", "TYPE", "f32", "what the KV cache keeps: f32, f16, bf16 or q8 (heads of a multiple of 32)");
  return computeFlags(line).common({"cpu", "cache", "bundle", "threads"});
}

std::span<const KvType> kvTypes() {
  static constexpr KvType kTypes[] = {
      {"f32", ElementType::F32}, {"f16", ElementType::F16}, {"bf16", ElementType::BF16}, {"q8", ElementType::Q8_0}};
  return kTypes;
}

Result<ElementType> kvTypeOf(const CommandLine& line) {
  std::string given = line.get("kv");
  for (const KvType& each : kvTypes())
    if (given == each.name) return each.type;
  return badCommand(fmt::format("--kv {} is not f32, f16, bf16 or q8", escaped(given)));
}

Result<void> checkKvType(const ModelSource& source, ElementType type) {
  int64_t block = formatOf(type).block, size = source.config.headDim();
  if (size % block == 0) return {};
  return badCommand(
      fmt::format("--kv q8 keeps blocks of {} elements of a head, the heads of {} have {}: a multiple of {} is needed, or --kv bf16", block,
                  escaped(source.weights.label()), size, block));
}

std::string tokensText(double count) { return fmt::format("{:.0f} tokens", count); }

Result<RunningModel> loadModel(const CommandLine& line, int64_t chunk) {
  auto source = openModelOf(line);
  if (!source) return source.error();
  return loadModel(line, std::move(*source), chunk);
}

Result<RunningModel> loadModel(const CommandLine& line, ModelSource source, int64_t chunk) {
  auto threads = line.number("threads", 0, 1024), context = line.number("context", 0, int64_t{1} << 24);
  if (!threads) return threads.error();
  if (!context) return context.error();
  auto kvType = kvTypeOf(line);
  if (!kvType) return kvType.error();
  if (auto good = checkKvType(source, *kvType); !good) return good.error();
  RunningModel running;
  auto library = libraryOf(line, true);
  if (!library) return library.error();
  running.library = std::move(*library);
  ModelOptions options;
  options.context = *context;
  options.chunk = chunk;
  options.threads = *threads == 0 ? usableCpus() : static_cast<int>(*threads);
  options.kvType = *kvType;
  ProgressBar bar(wantsProgress(line), "loading", humanBytes);
  options.progress = [&](double done, double total) { bar.show(done, total); };
  if (!line.has("quiet")) options.note = [&bar](const std::string& said) { bar.clear(), std::fprintf(stderr, "%s\n", said.c_str()); };
  auto kernels = std::make_shared<ModelKernels>(*running.library, options.threads);
  options.foreseen = [kernels](const std::vector<OpDesc>& ops) { kernels->prepare(ops); };
  auto model = Model::load(std::move(source), [kernels](const OpDesc& op) { return (*kernels)(op); }, options);
  if (!model) return model.error();
  running.model = std::move(*model);
  return running;
}

Result<int64_t> forwardShown(const CommandLine& line, Model& model, std::span<const int32_t> ids, int64_t outputs, float* logits,
                             const Stop& interrupted) {
  ProgressBar bar(wantsProgress(line), "prefill", tokensText);
  return model.forward(ids, 0, outputs, logits, [&](int64_t done) {
    bar.show(static_cast<double>(done), static_cast<double>(ids.size()));
    return !interrupted.asked();
  });
}

Result<std::vector<int32_t>> idsOf(const std::string& flag, const std::string& text) {
  std::vector<int32_t> ids;
  for (const std::string& word : split(text, ',')) {
    auto id = parseInt(trim(word));
    if (!id || *id < 0 || *id > INT32_MAX)
      return badCommand(fmt::format("--{} has '{}', ids such as 1,2,3 are needed", flag, escaped(word)));
    ids.push_back(static_cast<int32_t>(*id));
  }
  return ids;
}

}  // namespace quern
