// compiler/jit/KernelLibrary.h — kernels for ops: from memory, from the cache, or compiled now and put there.
#pragma once

#include "compiler/base/Stop.h"
#include "compiler/jit/SingleFlight.h"
#include "compiler/store/KernelCache.h"
#include "compiler/store/TuningDb.h"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>

namespace quern {

/// Which schedule an op runs with, and why.
struct ScheduleChoice {
  Schedule schedule;
  std::string from;              ///< "pinned", "tuned", "default", "given"
  std::vector<RowClass> narrow;  ///< for few rows, where the op has row classes and no schedule was given
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

  /// `wanted`: empty (pinned, else tuned here, else default), "default", "tuned", or schedule text.
  /// Errors   BadCommand: schedule text that is illegal, "tuned" where nothing was tuned.
  Result<ScheduleChoice> choose(const OpDesc& op, const std::string& wanted = "") const;

  /// The kernel: in memory, else from the cache, else compiled and stored, once however many threads and processes ask. What is in
  /// memory is found without a lock. Compiling ends early, with the error kStopped, once `stop` is asked, or what stopWith was given.
  /// Errors: what lowering or codegen say.
  Result<KernelRef> get(const OpDesc& op, const Schedule& schedule, const Stop& stop = {});
  Result<KernelRef> get(const OpDesc& op, const ScheduleChoice& choice);
  Result<KernelRef> get(const OpDesc& op);
  /// Makes kernels side by side on so many threads, those that take longest to compile first; get() then finds them in memory. What goes
  /// wrong get() says.
  void prepare(const std::vector<std::pair<OpDesc, Schedule>>& wanted, int threads);
  /// Compiled now, neither kept nor stored: a candidate that may lose.
  Result<KernelRef> tryOut(const OpDesc& op, const Schedule& schedule, const Stop& stop = {});

  /// Compiles, past every cache.
  Result<KernelArtifact> compile(const OpDesc& op, const Schedule& schedule, double* milliseconds = nullptr, const Stop& stop = {}) const;
  /// Stores an artifact under its key, with a new certificate and record.
  Result<void> store(const KernelArtifact& artifact) const;
  /// What every compilation of this library listens to that is given nothing else.
  void stopWith(const Stop& stop) { stop_ = stop; }
  /// Forgets the kernels in memory (their code lives while someone holds it).
  void forget();

  const Target& target() const { return target_; }
  const KernelCache& cache() const { return cache_; }
  TuningDb& tuning() { return tuning_; }
  LibraryCounts counts() const;

private:
  using Kernels = std::map<std::string, KernelRef>;

  std::vector<RowClass> rowClassesFor(const OpDesc& op, const ScheduleChoice& choice) const;
  KernelRef inMemory(const std::string& name);
  void remember(const std::string& name, const KernelRef& kernel);
  Result<KernelRef> obtain(const OpDesc& op, const Schedule& schedule, const KernelKey& key, const Stop& stop);
  /// nullptr: a miss. Errors: Machine.
  Result<KernelRef> fromCache(const OpDesc& op, const Schedule& schedule, const KernelKey& key);
  Result<KernelRef> compiledAndStored(const OpDesc& op, const Schedule& schedule, const Stop& stop);

  Target target_;
  Stop stop_;
  KernelCache cache_;
  TuningDb tuning_;
  mutable std::mutex guard_;
  std::atomic<std::shared_ptr<const Kernels>> loaded_;  ///< replaced whole, under guard_
  SingleFlight<Result<KernelRef>> flights_;
  std::atomic<bool> warned_{false};  ///< of a cache that cannot be written: once
  std::atomic<int64_t> reused_{0};
  mutable LibraryCounts counts_;
};

}  // namespace quern
