// compiler/jit/KernelLibrary.cpp — see KernelLibrary.h.
#include "compiler/jit/KernelLibrary.h"

#include "compiler/base/Check.h"
#include "compiler/base/Log.h"
#include "compiler/base/Thread.h"
#include "compiler/jit/CodegenModule.h"
#include "compiler/jit/CompileApart.h"
#include "compiler/loops/Lower.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <functional>

namespace quern {

KernelLibrary::KernelLibrary(Target target, std::vector<std::string> cacheDirectories)
    : target_(std::move(target)), cache_(std::move(cacheDirectories)), tuning_(TuningDb::open(cache_.directories())) {}

Result<ScheduleChoice> KernelLibrary::choose(const OpDesc& op, const std::string& wanted) const {
  if (!wanted.empty() && wanted != "default" && wanted != "tuned") {
    auto given = parseSchedule(wanted, op, target_);
    if (!given) return given.error();
    return ScheduleChoice{*given, "given", {}};
  }
  if (wanted != "default") {
    if (auto choice = tuning_.choose(op, target_); choice && (wanted.empty() || !choice->pinned)) {
      auto schedule = parseSchedule(choice->schedule, op, target_);
      if (schedule) {
        logLine(LogTopic::Dispatch, fmt::format("{}: {} schedule of {}, {:.2f}x the default", text(op), choice->pinned ? "pinned" : "tuned",
                                                choice->record.date, choice->record.ratio));
        ScheduleChoice chosen{*schedule, choice->pinned ? "pinned" : "tuned", {}};
        chosen.narrow = rowClassesFor(op, chosen);
        return chosen;
      }
      logWarning(
          fmt::format("{}: the recorded schedule '{}' is no longer legal: {}", text(op), choice->schedule, schedule.error().message));
    }
    if (wanted == "tuned")
      return badCommand(fmt::format("{}: nothing was tuned for it on {}; quern tune \"{}\" does", text(op), tuningCpu(target_), text(op)));
  }
  logLine(LogTopic::Dispatch, fmt::format("{}: default schedule, {}", text(op),
                                          wanted == "default" ? "asked for" : "nothing pinned or tuned on " + tuningCpu(target_)));
  ScheduleChoice chosen{defaultSchedule(op, target_), "default", {}};
  chosen.narrow = rowClassesFor(op, chosen);
  return chosen;
}

std::vector<RowClass> KernelLibrary::rowClassesFor(const OpDesc& op, const ScheduleChoice& choice) const {
  std::vector<TuningRecord> records = tuning_.rowClasses(op, target_);
  if (choice.from != "tuned" || records.empty()) return defaultRowClasses(op, choice.schedule, target_);
  std::vector<RowClass> classes;
  for (const TuningRecord& record : records) {
    auto schedule = parseSchedule(record.schedule, op, target_);
    if (schedule && (*schedule == choice.schedule || sharesWeight(*schedule, choice.schedule))) classes.push_back({record.rows, *schedule});
    else
      logWarning(fmt::format("{}: the recorded schedule '{}' for {} rows does not go with '{}'", text(op), record.schedule, record.rows,
                             text(choice.schedule)));
  }
  return classes;
}

Result<KernelArtifact> KernelLibrary::compile(const OpDesc& op, const Schedule& schedule, double* milliseconds, const Stop& stop) const {
  auto api = codegenModule();
  if (!api) return api.error();
  auto start = std::chrono::steady_clock::now();
  auto program = lower(op, schedule, target_);
  if (!program) return program.error();
  auto object = emitObject(**api, *program, kKernelSymbol, stop.possible() ? stop : stop_);
  if (!object) return object.error();
  double took = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  if (milliseconds != nullptr) *milliseconds = took;
  KernelArtifact artifact;
  artifact.key = kernelKey(op, schedule, target_);
  artifact.info = kernelInfoOf(*program, op, schedule);
  artifact.object = std::move(*object);
  artifact.provenance = text(target_);
  std::lock_guard lock(guard_);
  ++counts_.compiled;
  counts_.compileMs += took;
  return artifact;
}

Result<void> KernelLibrary::store(const KernelArtifact& artifact) const { return cache_.put(artifact); }

/// Fresh code goes through ORC, as everything compiled in this process does.
static Result<KernelRef> linked(const KernelArtifact& artifact, double compileMs) {
  auto api = codegenModule();
  if (!api) return api.error();
  auto code = (*api)->linkObject(artifact.object, kKernelSymbol);
  if (!code) return code.error();
  return std::make_shared<const CompiledKernel>(CompiledKernel{artifact.info, code->entry, code->owner, "compiled", compileMs});
}

KernelRef KernelLibrary::inMemory(const std::string& name) {
  std::shared_ptr<const Kernels> all = loaded_.load();
  if (all == nullptr) return nullptr;
  auto found = all->find(name);
  if (found == all->end()) return nullptr;
  ++reused_;
  return found->second;
}

void KernelLibrary::remember(const std::string& name, const KernelRef& kernel) {
  std::lock_guard lock(guard_);
  std::shared_ptr<const Kernels> before = loaded_.load();
  auto after = before == nullptr ? std::make_shared<Kernels>() : std::make_shared<Kernels>(*before);
  (*after)[name] = kernel;
  loaded_ = std::move(after);
  if (kernel->origin == "cache") ++counts_.cached;
}

Result<KernelRef> KernelLibrary::get(const OpDesc& op, const Schedule& schedule, const Stop& stop) {
  KernelKey key = kernelKey(op, schedule, target_);
  std::string name = text(key);
  if (KernelRef found = inMemory(name)) return found;
  return flights_.once(name, [&]() -> Result<KernelRef> {
    if (KernelRef found = inMemory(name)) return found;  // the flight before this one landed meanwhile
    auto kernel = obtain(op, schedule, key, stop);
    if (!kernel) return kernel;
    logLine(LogTopic::Dispatch, fmt::format("{} | {} from {}", (*kernel)->info.op, (*kernel)->info.schedule, (*kernel)->origin));
    remember(name, *kernel);
    return kernel;
  });
}

/// body(0) to body(count - 1), in this order begun, by so many threads or as many as there are.
static void sideBySide(size_t count, int threads, const std::function<void(size_t)>& body) {
  constexpr size_t kStackBytes = 8 << 20;  // LLVM's passes recurse
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i = next++; i < count; i = next++) body(i);
  };
  std::vector<Thread> helpers;
  for (int i = 1; i < threads && helpers.size() + 1 < count; ++i) {
    auto helper = Thread::start(work, kStackBytes);
    if (!helper) break;
    helpers.push_back(std::move(*helper));
  }
  work();
}

void KernelLibrary::prepare(const std::vector<std::pair<OpDesc, Schedule>>& wanted, int threads) {
  std::vector<std::pair<double, size_t>> missing;
  for (size_t i = 0; i < wanted.size(); ++i) {  // on this thread: with the cache filled no other is started for nothing
    const auto& [op, schedule] = wanted[i];
    KernelKey key = kernelKey(op, schedule, target_);
    auto cached = cache_.enabled() ? fromCache(op, schedule, key) : Result<KernelRef>(KernelRef());
    if (cached && *cached != nullptr) {
      remember(text(key), *cached);
      continue;
    }
    auto program = lower(op, schedule, target_);
    missing.emplace_back(program ? -weightOf(*program) : 0, i);
  }
  std::sort(missing.begin(), missing.end());
  sideBySide(missing.size(), threads, [&](size_t i) { (void)get(wanted[missing[i].second].first, wanted[missing[i].second].second); });
}

Result<KernelRef> KernelLibrary::obtain(const OpDesc& op, const Schedule& schedule, const KernelKey& key, const Stop& stop) {
  if (!cache_.enabled()) return compiledAndStored(op, schedule, stop);
  auto cached = fromCache(op, schedule, key);
  if (!cached || *cached != nullptr) return cached;
  const Stop& ends = stop.possible() ? stop : stop_;
  auto claim = cache_.claim(key, ends);
  if (ends.asked()) return stoppedError(key.op);
  if (claim) cached = fromCache(op, schedule, key);  // whoever held the claim before has made it
  if (!cached || *cached != nullptr) return cached;
  logLine(LogTopic::Cache, fmt::format("miss {} | {}", key.op, key.schedule));
  return compiledAndStored(op, schedule, stop);
}

Result<KernelRef> KernelLibrary::fromCache(const OpDesc& op, const Schedule& schedule, const KernelKey& key) {
  auto artifact = cache_.find(key);
  if (!artifact) return KernelRef();
  // How a kernel is called decides what it reads and writes: that is taken from the compiler, never from a file.
  auto program = lower(op, schedule, target_);
  if (!program) return program.error();
  if (artifact->info != kernelInfoOf(*program, op, schedule)) {
    cache_.refuse(key, "what it says of its arguments is not what this kernel takes");
    return KernelRef();
  }
  auto loaded = loadArtifact(*artifact, "cache");
  if (loaded) logLine(LogTopic::Cache, fmt::format("hit  {} | {}", key.op, key.schedule));
  if (loaded || loaded.error().code != ErrorCode::BadInput) return loaded;
  cache_.refuse(key, loaded.error().message);
  return KernelRef();
}

Result<KernelRef> KernelLibrary::compiledAndStored(const OpDesc& op, const Schedule& schedule, const Stop& stop) {
  double took = 0;
  auto compiled = compile(op, schedule, &took, stop);
  if (!compiled) return compiled.error();
  auto kernel = linked(*compiled, took);
  if (!kernel) return kernel;
  logLine(LogTopic::Perf, fmt::format("compiled in {:.1f} ms: {}", took, compiled->key.op));
  if (!cache_.enabled()) return kernel;
  auto good = cache_.put(*compiled);
  if (!good && !cache_.warnedOf(compiled->key) && !warned_.exchange(true))
    logWarning(fmt::format("{}: kernels are compiled anew in every run", good.error().message));
  return kernel;
}

Result<KernelRef> KernelLibrary::tryOut(const OpDesc& op, const Schedule& schedule, const Stop& stop) {
  double took = 0;
  auto compiled = compile(op, schedule, &took, stop);
  if (!compiled) return compiled.error();
  return linked(*compiled, took);
}

Result<KernelRef> KernelLibrary::get(const OpDesc& op, const ScheduleChoice& choice) {
  auto base = get(op, choice.schedule);
  if (!base || choice.narrow.empty()) return base;
  CompiledKernel whole = **base;
  whole.rowDim = static_cast<size_t>(std::find(whole.info.dims.begin(), whole.info.dims.end(), rowDimOf(op)) - whole.info.dims.begin());
  QUERN_CHECK_FOR(whole.rowDim < whole.info.dims.size(), whole.info.op);
  for (const RowClass& rowClass : choice.narrow) {
    auto kernel = get(op, rowClass.schedule);
    if (!kernel) return kernel;
    whole.narrower.emplace_back(rowClass.rows, *kernel);
  }
  return std::make_shared<const CompiledKernel>(std::move(whole));
}

Result<KernelRef> KernelLibrary::get(const OpDesc& op) {
  auto choice = choose(op);
  if (!choice) return choice.error();
  return get(op, *choice);
}

void KernelLibrary::forget() {
  std::lock_guard lock(guard_);
  loaded_ = std::shared_ptr<const Kernels>();
}

LibraryCounts KernelLibrary::counts() const {
  std::lock_guard lock(guard_);
  LibraryCounts counts = counts_;
  counts.reused = reused_;
  return counts;
}

}  // namespace quern
