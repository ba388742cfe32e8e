// compiler/jit/KernelSources.h — the last two places that a library asks for a kernel: the cache, and the compiler behind it.
#pragma once

#include "compiler/jit/WorkQueue.h"
#include "compiler/store/KernelCache.h"
#include "compiler/store/KernelSource.h"

#include <atomic>

namespace quern {

/// What a caller must know of the kernel of an op and schedule. Errors: as lower.
Result<KernelInfo> infoOf(const OpDesc& op, const Schedule& schedule, const Target& target);

/// Entries of a cache that are what the compiler would make.
class CacheSource : public KernelSource {
public:
  CacheSource(const KernelCache& cache, const Target& target) : cache_(cache), target_(target) {}
  Result<KernelRef> find(const KernelRequest& request) override;

private:
  const KernelCache& cache_;
  const Target& target_;
};

/// The compiler. What it made is put into the cache; while it does, other processes that want the same wait for it.
class CompilerSource : public KernelSource {
public:
  CompilerSource(const KernelCache& cache, const Target& target) : cache_(cache), target_(target), made_(cache, target) {}
  Result<KernelRef> find(const KernelRequest& request) override { return make(request, nullptr); }
  /// The same; the entry is written by `later`, for as long as which others go on waiting for it.
  Result<KernelRef> make(const KernelRequest& request, WorkQueue* later);

  /// Compiles, past every cache. `symbol`: what the object's one function is called. Errors: what lowering and codegen say; Stopped.
  Result<KernelArtifact> compile(const OpDesc& op, const Schedule& schedule, const Stop& stop, const std::string& symbol);
  /// Compiled and linked, but not stored.
  Result<KernelRef> tryOut(const OpDesc& op, const Schedule& schedule, const Stop& stop);

  /// From now on nothing is compiled: Machine, naming the op.
  void refuse() { refused_ = true; }

  int64_t compiled() const { return compiled_; }
  double compileMs() const { return 1e-3 * static_cast<double>(compileUs_); }

private:
  void store(const KernelArtifact& artifact);
  Result<KernelArtifact> compile(const OpDesc& op, const Schedule& schedule, const Stop& stop, const std::string& symbol,
                                 double& milliseconds);

  const KernelCache& cache_;
  const Target& target_;
  CacheSource made_;
  std::atomic<bool> refused_{false};
  std::atomic<bool> warned_{false};  ///< of a cache that cannot be written: once
  std::atomic<int64_t> compiled_{0}, compileUs_{0};
};

}  // namespace quern
