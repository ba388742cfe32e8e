// tools/quern/cli/ModelRun.cpp — see ModelRun.h.
#include "tools/quern/cli/ModelRun.h"

#include "compiler/base/Text.h"
#include "compiler/target/UsableCpus.h"
#include "tools/quern/cli/ModelOpen.h"
#include "tools/quern/cli/Progress.h"

#include <cstdio>
#include <fmt/format.h>

namespace quern {

CommandLine& modelFlags(CommandLine& line) {
  modelFlag(line, "a .gguf file, a folder with config.json and *.safetensors, or a name in configs/models");
  line.value("context", "N", "0", "positions of the KV cache (default: the model's own)", 'c');
  line.value("kv", "TYPE", "", "what the KV cache keeps: f32, f16, bf16 or q8 (heads of a multiple of 32) (default f32, or the bundle's)");
  return kernelFlags(computeFlags(line));
}

CommandLine& encoderFlags(CommandLine& line) {
  modelFlag(line, "a .gguf file, or a folder with config.json, *.safetensors and a tokenizer");
  line.value("context", "N", "0", "tokens of a text at most (default: the model's own)", 'c');
  return kernelFlags(computeFlags(line));
}

Result<ElementType> kvTypeOf(const CommandLine& line, const BundleArithmetic* bundled) {
  return kvTypeNamed(line.has("kv") ? line.get("kv") : bundled != nullptr ? bundled->kv : "f32");
}

std::string tokensText(double count) { return fmt::format("{:.0f} tokens", count); }

Result<RunningModel> loadModel(const CommandLine& line, int64_t chunk) {
  auto opened = openModelToRun(line);
  if (!opened) return opened.error();
  return loadModel(line, std::move(*opened), chunk);
}

Result<ModelSource> openModelFor(const CommandLine& line, const ModelKernels& kernels) {
  if (line.has("model")) return openModelOf(line, kernels.bundled());
  BundledModel own = kernels.ownModel();
  if (own.there()) return openBundledModel(line, own, *kernels.bundled());
  return badCommand(fmt::format("{}: {}{}", line.name(), kModelMissing, line.has("bundle") ? kBundleWithout : ""));
}

Result<OpenedModel> openModelToRun(const CommandLine& line) {
  auto kernels = openModelKernels(line);
  if (!kernels) return kernels.error();
  auto source = openModelFor(line, **kernels);
  if (!source) return source.error();
  return OpenedModel{std::move(*kernels), std::move(*source)};
}

/// What modelFlags say of loading; `threads` gets how many shall run it.
static Result<std::shared_ptr<const Model>> loadedFor(const CommandLine& line, ModelKernels& kernels, ModelSource source, int64_t chunk,
                                                      int& threads) {
  auto given = line.number("threads", 0, 1024), context = line.number("context", 0, int64_t{1} << 24);
  if (!given) return given.error();
  if (!context) return context.error();
  auto kvType = kvTypeOf(line, kernels.bundled());
  if (!kvType) return kvType.error();
  if (auto good = checkKvType(source, *kvType); !good) return good.error();
  threads = *given == 0 ? usableCpus() : static_cast<int>(*given);
  ModelOptions options;
  options.context = *context;
  options.chunk = chunk;
  options.threads = threads;
  options.kvType = *kvType;
  ProgressBar bar(wantsProgress(line), "loading", humanBytes);
  options.progress = [&](double done, double total) { bar.show(done, total); };
  if (!line.has("quiet")) options.note = [&bar](const std::string& said) { bar.clear(), std::fprintf(stderr, "%s\n", said.c_str()); };
  options.foreseen = [&kernels, threads](const std::vector<OpDesc>& ops) { kernels.prepare(ops, threads); };
  return Model::load(std::move(source), [&kernels](const OpDesc& op) { return kernels.kernels(op); }, options);
}

Result<RunningModel> loadModel(const CommandLine& line, OpenedModel opened, int64_t chunk) {
  int threads = 1;
  auto model = loadedFor(line, *opened.kernels, std::move(opened.source), chunk, threads);
  if (!model) return model.error();
  auto session = Session::make(std::move(*model), threads);
  if (!session) return session.error();
  return RunningModel{std::move(opened.kernels), std::move(*session)};
}

Result<RunningEncoder> loadEncoder(const CommandLine& line, OpenedModel opened, int64_t chunk) {
  int threads = 1;
  auto model = loadedFor(line, *opened.kernels, std::move(opened.source), chunk, threads);
  if (!model) return model.error();
  auto encoder = TextEncoder::make(std::move(*model), threads);
  if (!encoder) return encoder.error();
  return RunningEncoder{std::move(opened.kernels), std::move(*encoder)};
}

Result<int64_t> promptShown(const CommandLine& line, size_t tokens, const Stop& interrupted,
                            const std::function<Result<int64_t>(const Session::GoOn& goOn)>& forward) {
  ProgressBar bar(wantsProgress(line), "prefill", tokensText);
  return forward([&](int64_t done) {
    bar.show(static_cast<double>(done), static_cast<double>(tokens));
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
