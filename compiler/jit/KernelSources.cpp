// compiler/jit/KernelSources.cpp — see KernelSources.h.
#include "compiler/jit/KernelSources.h"

#include "compiler/base/Log.h"
#include "compiler/jit/CodegenModule.h"
#include "compiler/jit/CompileApart.h"
#include "compiler/loops/Lower.h"
#include "compiler/store/KernelNames.h"
#include "compiler/store/Standing.h"
#include "compiler/target/HostTarget.h"

#include <chrono>
#include <fmt/format.h>

namespace quern {

Result<KernelInfo> infoOf(const OpDesc& op, const Schedule& schedule, const Target& target) {
  auto program = lower(op, schedule, target);
  if (!program) return program.error();
  return kernelInfoOf(*program, op, schedule);
}

Result<KernelRef> CacheSource::find(const KernelRequest& request) {
  auto artifact = cache_.find(request.key);
  if (!artifact) return KernelRef();
  // How a kernel is called decides what it reads and writes: that is taken from the compiler, never from a file.
  auto own = infoOf(request.op, request.schedule, target_);
  if (!own) return own.error();
  if (artifact->info != *own) {
    cache_.refuse(request.key, "what it says of its arguments is not what this kernel takes");
    return KernelRef();
  }
  auto loaded = loadArtifact(*artifact, "cache");
  if (loaded && logEnabled(LogTopic::Cache))
    logLine(LogTopic::Cache,
            fmt::format("hit  {} | {}: {}", request.key.op, request.key.schedule, standingOf(*artifact, hostTarget()).text));
  if (loaded || loaded.error().code != ErrorCode::BadInput) return loaded;
  cache_.refuse(request.key, loaded.error().message);
  return KernelRef();
}

Result<KernelArtifact> CompilerSource::compile(const OpDesc& op, const Schedule& schedule, const Stop& stop, const std::string& symbol,
                                               double& milliseconds) {
  if (refused_) return machineLacks(fmt::format("{}: neither cache nor bundle has its kernel, and the compiler is refused", text(op)));
  auto api = codegenModule();
  if (!api) return api.error();
  auto start = std::chrono::steady_clock::now();
  auto program = lower(op, schedule, target_);
  if (!program) return program.error();
  auto object = emitObject(**api, *program, symbol, stop);
  if (!object) return object.error();
  milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  ++compiled_;
  compileUs_ += static_cast<int64_t>(milliseconds * 1e3);
  KernelArtifact artifact;
  artifact.key = kernelKey(op, schedule, target_);
  artifact.info = kernelInfoOf(*program, op, schedule);
  artifact.object = std::move(*object);
  artifact.provenance = text(target_);
  return artifact;
}

Result<KernelArtifact> CompilerSource::compile(const OpDesc& op, const Schedule& schedule, const Stop& stop, const std::string& symbol) {
  double milliseconds = 0;
  return compile(op, schedule, stop, symbol, milliseconds);
}

/// Fresh code goes through ORC, as everything compiled in this process does.
static Result<KernelRef> linked(const KernelArtifact& artifact, double milliseconds) {
  if (auto good = runsHere(artifact.info); !good) return good.error();
  auto api = codegenModule();
  if (!api) return api.error();
  auto code = (*api)->linkObject(artifact.object, kKernelSymbol);
  if (!code) return code.error();
  auto owner = named(code->entry, artifact.object, artifact.info, code->owner);
  return std::make_shared<const CompiledKernel>(CompiledKernel{artifact.info, code->entry, owner, "compiled", milliseconds, {}});
}

Result<KernelRef> CompilerSource::tryOut(const OpDesc& op, const Schedule& schedule, const Stop& stop) {
  double milliseconds = 0;
  auto compiled = compile(op, schedule, stop, kKernelSymbol, milliseconds);
  if (!compiled) return compiled.error();
  return linked(*compiled, milliseconds);
}

Result<KernelRef> CompilerSource::make(const KernelRequest& request, WorkQueue* later) {
  std::optional<KeyClaim> claim = cache_.enabled() ? cache_.claim(request.key, request.stop) : std::nullopt;
  if (cache_.enabled()) {
    if (request.stop.asked()) return stoppedError(request.key.op);
    if (claim) {  // whoever held the claim before has made it
      auto cached = made_.find(request);
      if (!cached || *cached != nullptr) return cached;
    }
    logLine(LogTopic::Cache, fmt::format("miss {} | {}", request.key.op, request.key.schedule));
  }
  double milliseconds = 0;
  auto compiled = compile(request.op, request.schedule, request.stop, kKernelSymbol, milliseconds);
  if (!compiled) return compiled.error();
  auto kernel = linked(*compiled, milliseconds);
  if (!kernel) return kernel;
  logLine(LogTopic::Perf, fmt::format("compiled in {:.1f} ms: {}", milliseconds, compiled->key.op));
  if (!cache_.enabled()) return kernel;
  if (later == nullptr) return store(*compiled), kernel;
  // Both are held until the entry is there.
  auto held = std::make_shared<std::pair<KernelArtifact, std::optional<KeyClaim>>>(std::move(*compiled), std::move(claim));
  later->add([this, held] { store(held->first); });
  return kernel;
}

void CompilerSource::store(const KernelArtifact& artifact) {
  auto good = cache_.put(artifact);
  if (!good && !cache_.warnedOf(artifact.key) && !warned_.exchange(true))
    logWarning(fmt::format("{}: kernels are compiled anew in every run", good.error().message));
}

}  // namespace quern
