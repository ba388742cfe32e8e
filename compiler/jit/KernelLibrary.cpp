// compiler/jit/KernelLibrary.cpp — see KernelLibrary.h.
#include "compiler/jit/KernelLibrary.h"

#include "compiler/base/Check.h"
#include "compiler/base/Log.h"
#include "compiler/base/Thread.h"
#include "compiler/codegen/Codegen.h"
#include "compiler/jit/CompileApart.h"
#include "compiler/loops/Lower.h"

#include <algorithm>
#include <fmt/format.h>
#include <functional>

namespace quern {

KernelLibrary::KernelLibrary(Target target, std::vector<std::string> cacheDirectories)
    : target_(std::move(target)),
      cache_(std::move(cacheDirectories)),
      tuning_(TuningDb::open(cache_.directories())),
      cacheSource_(cache_, target_),
      compiler_(cache_, target_) {}

Result<void> KernelLibrary::useBundle(const std::string& directory) {
  auto bundle = Bundle::open(directory, [this](const OpDesc& op, const Schedule& schedule) { return infoOf(op, schedule, target_); });
  if (!bundle) return bundle.error();
  auto cpu = bundle->cpuFor(target_);
  if (!cpu) return cpu.error();
  bundleCpu_ = **cpu;
  if (bundleCpu_.target.level != target_.level)
    logLine(LogTopic::Dispatch, fmt::format("{}: its kernels for {}, narrower than {}", directory, bundleCpu_.name, target_.name));
  target_ = bundleCpu_.target;
  bundle_ = std::make_unique<Bundle>(std::move(*bundle));
  return {};
}

ScheduleChoice KernelLibrary::chosen(const OpDesc& op, Schedule schedule, std::string from) const {
  ScheduleChoice choice{std::move(schedule), std::move(from), {}};
  choice.sized = sizeClassesFor(op, choice);
  return choice;
}

/// What the bundle says of an op; nothing where it has none for this CPU, or one whose schedules are no longer legal.
std::optional<ScheduleChoice> KernelLibrary::bundled(const OpDesc& op) const {
  if (bundle_ == nullptr) return std::nullopt;
  const BundleManifest& manifest = bundle_->manifest();
  const BundleSet* set = manifest.set(text(op), bundleCpu_.name);
  if (set != nullptr)
    if (auto wide = parseSchedule(manifest.kernel(set->wide)->info.schedule, op, target_)) {
      ScheduleChoice choice{*wide, "bundle", {}};
      for (const auto& [most, symbol] : set->sized)
        if (auto small = parseSchedule(manifest.kernel(symbol)->info.schedule, op, target_)) choice.sized.push_back({most, *small});
      logLine(LogTopic::Dispatch, fmt::format("{}: the bundle's schedule", text(op)));
      return choice;
    }
  logLine(LogTopic::Dispatch, fmt::format("{}: not in the bundle for {}", text(op), target_.name));
  return std::nullopt;
}

std::optional<OpDesc> KernelLibrary::bundledFor(const OpDesc& exact) const {
  if (bundle_ == nullptr) return std::nullopt;
  std::vector<std::vector<int64_t>> shapes;
  for (const TensorSpec& spec : inputsOf(exact)) shapes.push_back(spec.extents());
  const BundleManifest& manifest = bundle_->manifest();
  for (const BundleSet& set : manifest.sets) {
    if (manifest.set(set.op, bundleCpu_.name) == nullptr) continue;
    auto op = parseOp(set.op);
    auto dims = op && nameOf(*op) == nameOf(exact) ? bindDims(*op, shapes) : Result<DimValues>(badInput("another op"));
    if (dims && text(fixed(*op, *dims)) == text(exact)) return *op;
  }
  return std::nullopt;
}

Result<ScheduleChoice> KernelLibrary::choose(const OpDesc& op, const std::string& wanted) const {
  if (!wanted.empty() && wanted != "default" && wanted != "tuned") {
    auto given = parseSchedule(wanted, op, target_);
    if (!given) return given.error();
    return ScheduleChoice{*given, "given", {}};
  }
  if (wanted.empty())
    if (auto choice = bundled(op)) return *choice;
  if (wanted != "default") {
    if (auto choice = tuning_.choose(op, target_); choice && (wanted.empty() || !choice->pinned)) {
      auto schedule = parseSchedule(choice->schedule, op, target_);
      if (schedule) {
        logLine(LogTopic::Dispatch, fmt::format("{}: {} schedule of {}, {:.2f}x the default", text(op), choice->pinned ? "pinned" : "tuned",
                                                choice->record.date, choice->record.ratio));
        return chosen(op, *schedule, choice->pinned ? "pinned" : "tuned");
      }
      logWarning(
          fmt::format("{}: the recorded schedule '{}' is no longer legal: {}", text(op), choice->schedule, schedule.error().message));
    }
    if (wanted == "tuned")
      return badCommand(fmt::format("{}: nothing was tuned for it on {}; quern tune \"{}\" does", text(op), tuningCpu(target_), text(op)));
  }
  logLine(LogTopic::Dispatch, fmt::format("{}: default schedule, {}", text(op),
                                          wanted == "default" ? "asked for" : "nothing pinned or tuned on " + tuningCpu(target_)));
  Schedule usual = defaultSchedule(op, target_);
  if (auto good = validate(usual, op, target_); !good) return badCommand(good.error().message);  // what the CPU cannot compute in any way
  return chosen(op, std::move(usual), "default");
}

std::vector<SizeClass> KernelLibrary::sizeClassesFor(const OpDesc& op, const ScheduleChoice& choice) const {
  std::vector<TuningRecord> records = tuning_.sizeClasses(op, target_);
  if (choice.from != "tuned" || records.empty()) return defaultSizeClasses(op, choice.schedule, target_);
  std::vector<SizeClass> classes;
  for (const TuningRecord& record : records) {
    auto schedule = parseSchedule(record.schedule, op, target_);
    if (schedule && (*schedule == choice.schedule || sharesWeight(*schedule, choice.schedule))) classes.push_back({record.most, *schedule});
    else
      logWarning(fmt::format("{}: the recorded schedule '{}' for {} does not go with '{}'", text(op), record.schedule, text(record.most),
                             text(choice.schedule)));
  }
  return classes;
}

Result<KernelArtifact> KernelLibrary::compile(const OpDesc& op, const Schedule& schedule, const Stop& stop) {
  return compileAs(kKernelSymbol, op, schedule, stop);
}

Result<KernelArtifact> KernelLibrary::compileAs(const std::string& symbol, const OpDesc& op, const Schedule& schedule, const Stop& stop) {
  return compiler_.compile(op, schedule, stopOf(stop), symbol);
}

Result<KernelRef> KernelLibrary::tryOut(const OpDesc& op, const Schedule& schedule, const Stop& stop) {
  return compiler_.tryOut(op, schedule, stopOf(stop));
}

Result<void> KernelLibrary::store(const KernelArtifact& artifact) const { return cache_.put(artifact); }

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
  if (kernel->origin == "cache") ++cached_;
  logLine(LogTopic::Dispatch, fmt::format("{} | {} from {}", kernel->info.op, kernel->info.schedule, kernel->origin));
}

Result<KernelRef> KernelLibrary::fromSources(const KernelRequest& request, bool compile) {
  KernelSource* sources[] = {bundle_.get(), cache_.enabled() ? &cacheSource_ : nullptr, compile ? &compiler_ : nullptr};
  for (KernelSource* source : sources) {
    if (source == nullptr) continue;
    auto kernel = source->find(request);
    if (!kernel || *kernel != nullptr) return kernel;
  }
  return KernelRef();
}

Result<KernelRef> KernelLibrary::get(const OpDesc& op, const Schedule& schedule, const Stop& stop) {
  KernelKey key = kernelKey(op, schedule, target_);
  if (KernelRef found = inMemory(text(key))) return found;
  KernelRequest request{op, schedule, key, stopOf(stop)};
  return onceFrom(request, [&] { return fromSources(request, true); });
}

template <class Source>
Result<KernelRef> KernelLibrary::onceFrom(const KernelRequest& request, const Source& source) {
  std::string name = text(request.key);
  return flights_.once(name, [&]() -> Result<KernelRef> {
    if (KernelRef found = inMemory(name)) return found;  // the flight before this one landed meanwhile
    Result<KernelRef> kernel = source();
    if (!kernel) return kernel;
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
    auto ready = fromSources({op, schedule, key, stop_}, false);
    if (ready && *ready != nullptr) {
      remember(text(key), *ready);
      continue;
    }
    auto program = lower(op, schedule, target_);
    missing.emplace_back(program ? -weightOf(*program) : 0, i);
  }
  std::sort(missing.begin(), missing.end());
  if (missing.empty()) return;
  WorkQueue stores;  // while an entry is synced the next one is compiled
  sideBySide(missing.size(), threads, [&](size_t i) {
    const auto& [op, schedule] = wanted[missing[i].second];
    KernelKey key = kernelKey(op, schedule, target_);
    KernelRequest request{op, schedule, key, stop_};
    (void)onceFrom(request, [&] { return compiler_.make(request, &stores); });
  });
}

Result<KernelSet> KernelLibrary::kernels(const OpDesc& op, const ScheduleChoice& choice) {
  auto wide = get(op, choice.schedule);
  if (!wide) return wide.error();
  KernelSet set(*wide);
  set.from = choice.from;
  set.goBy(sizeDimsOf(op));
  for (const SizeClass& small : choice.sized) {
    auto kernel = get(op, small.schedule);
    if (!kernel) return kernel.error();
    set.sized.push_back({small.most, *kernel});
  }
  return set;
}

Result<KernelSet> KernelLibrary::kernels(const OpDesc& op, const std::string& wanted) {
  auto choice = choose(op, wanted);
  if (!choice) return choice.error();
  return kernels(op, *choice);
}

void KernelLibrary::forget() {
  std::lock_guard lock(guard_);
  loaded_ = std::shared_ptr<const Kernels>();
}

LibraryCounts KernelLibrary::counts() const {
  std::lock_guard lock(guard_);
  return {compiler_.compiled(), cached_, reused_, compiler_.compileMs()};
}

}  // namespace quern
