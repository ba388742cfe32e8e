// compiler/jit/KernelLibrary.h — kernels for ops: from memory, a bundle, the cache, or compiled now and put there.
#pragma once

#include "compiler/base/Stop.h"
#include "compiler/jit/KernelSources.h"
#include "compiler/jit/SingleFlight.h"
#include "compiler/store/Bundle.h"
#include "compiler/store/KernelCall.h"
#include "compiler/store/TuningDb.h"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>

namespace quern {

/// Which schedule an op runs with, and why.
struct ScheduleChoice {
  Schedule schedule;
  std::string from;              ///< "bundle", "pinned", "tuned", "default", "given"
  std::vector<SizeClass> sized;  ///< for small calls, where the op has size classes and no schedule was given
};

/// How many kernels came from where since the library was made.
struct LibraryCounts {
  int64_t compiled = 0, cached = 0, reused = 0;
  double compileMs = 0;
};

/// One target's kernels. Threads: get() may be called from any.
class KernelLibrary {
public:
  KernelLibrary(Target target, std::vector<std::string> cacheDirectories);

  /// Kernels and the choice among them come from this bundle first, for the best of its CPUs that this library's contains; what it has not
  /// is then made for that CPU. Before any other call. Errors: as Bundle::open; Machine: it has none, and what each lacks.
  Result<void> useBundle(const std::string& directory);

  /// `wanted`: empty (the bundle's, else pinned, else tuned here, else default), "default", "tuned", or schedule text.
  /// Errors   BadCommand: schedule text that is illegal, "tuned" where nothing was tuned, an op that the target cannot compute.
  Result<ScheduleChoice> choose(const OpDesc& op, const std::string& wanted = "") const;

  /// The bundle's op, some of its sizes open, that this one is with these sizes; nothing where it has none.
  std::optional<OpDesc> bundledFor(const OpDesc& exact) const;
  /// What the op runs with: the kernels of its choice. Errors: as choose and get.
  Result<KernelSet> kernels(const OpDesc& op, const std::string& wanted = "");
  Result<KernelSet> kernels(const OpDesc& op, const ScheduleChoice& choice);
  /// One kernel: in memory, else from the sources in their order (bundle, cache, compiler), once however many threads and processes ask.
  /// What is in memory is found without a lock. Compiling ends early, with the error kStopped, once `stop` is asked, or what stopWith
  /// was given. Errors: what lowering or codegen say.
  Result<KernelRef> get(const OpDesc& op, const Schedule& schedule, const Stop& stop = {});
  /// Makes kernels side by side on so many threads, those that take longest to compile first; get() then finds them in memory. What goes
  /// wrong get() says.
  void prepare(const std::vector<std::pair<OpDesc, Schedule>>& wanted, int threads);
  /// Compiled now, neither kept nor stored: a candidate that may lose.
  Result<KernelRef> tryOut(const OpDesc& op, const Schedule& schedule, const Stop& stop = {});

  /// Compiles, past every cache.
  Result<KernelArtifact> compile(const OpDesc& op, const Schedule& schedule, const Stop& stop = {});
  /// The same with a name of its own for the object's one function.
  Result<KernelArtifact> compileAs(const std::string& symbol, const OpDesc& op, const Schedule& schedule, const Stop& stop = {});
  /// Stores an artifact under its key, with a new certificate and record.
  Result<void> store(const KernelArtifact& artifact) const;
  /// From now on kernels come from memory, bundle and cache alone; what they lack is an error, Machine.
  void refuseCompiler() { compiler_.refuse(); }
  /// What every compilation of this library listens to that is given nothing else.
  void stopWith(const Stop& stop) { stop_ = stop; }
  /// Forgets the kernels in memory (their code lives while someone holds it).
  void forget();

  const Target& target() const { return target_; }
  /// The model in the bundle, if there is one.
  BundledModel modelInBundle() const { return bundle_ == nullptr ? BundledModel() : bundle_->modelFor(bundleCpu_); }
  /// What the model of the bundle is computed in; null: no bundle is used, or it is of no model.
  const BundleArithmetic* bundledArithmetic() const { return bundleCpu_.arithmetic ? &*bundleCpu_.arithmetic : nullptr; }
  const KernelCache& cache() const { return cache_; }
  TuningDb& tuning() { return tuning_; }
  LibraryCounts counts() const;

private:
  using Kernels = std::map<std::string, KernelRef>;

  std::vector<SizeClass> sizeClassesFor(const OpDesc& op, const ScheduleChoice& choice) const;
  std::optional<ScheduleChoice> bundled(const OpDesc& op) const;
  ScheduleChoice chosen(const OpDesc& op, Schedule schedule, std::string from) const;
  KernelRef inMemory(const std::string& name);
  void remember(const std::string& name, const KernelRef& kernel);
  /// Asks the sources, the compiler only if `compile`. nullptr: none has it.
  Result<KernelRef> fromSources(const KernelRequest& request, bool compile);
  /// Once however many threads ask; kept in memory.
  template <class Source>
  Result<KernelRef> onceFrom(const KernelRequest& request, const Source& source);
  const Stop& stopOf(const Stop& stop) const { return stop.possible() ? stop : stop_; }

  Target target_;
  Stop stop_;
  KernelCache cache_;
  TuningDb tuning_;
  std::unique_ptr<Bundle> bundle_;  ///< null: none
  BundleCpu bundleCpu_;             ///< the one of its CPUs that kernels are taken for
  CacheSource cacheSource_;
  CompilerSource compiler_;
  mutable std::mutex guard_;
  std::atomic<std::shared_ptr<const Kernels>> loaded_;  ///< replaced whole, under guard_
  SingleFlight<Result<KernelRef>> flights_;
  std::atomic<int64_t> reused_{0};
  int64_t cached_ = 0;
};

}  // namespace quern
