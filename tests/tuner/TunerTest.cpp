// tests/tuner/TunerTest.cpp — search with a fake clock and fake timings: deterministic.
#include "compiler/base/Files.h"
#include "compiler/base/Keys.h"
#include "compiler/base/Text.h"
#include "tests/Support.h"
#include "tuner/Tuner.h"

#include <cmath>
#include <cstdlib>
#include <fmt/format.h>

using namespace quern;

namespace {

WorkloadItem item(const std::string& given, double priority = 1) {
  WorkloadItem out{op(given), {}, 1, CacheState::Hot, priority};
  for (const std::string& name : runtimeDims(out.op)) out.sample[name] = 24;
  return out;
}

SearchSpace space() {
  auto read = readSearchSpace("default");
  REQUIRE(read);
  return *read;
}

/// Pairs whose ratio is what `time` says of the two schedules.
std::function<PairSamples(const std::string&, const std::string&, int)> fake(double (*time)(const std::string& schedule)) {
  return [time](const std::string& anchor, const std::string& challenger, int pairs) {
    auto count = static_cast<size_t>(pairs);
    return PairSamples{std::vector<double>(count, time(anchor)), std::vector<double>(count, time(challenger))};
  };
}

/// It was timed and is no faster, or it is the code of one that is.
bool isNoDifference(const CandidateResult& candidate) {
  INFO(candidate.schedule << " " << candidate.outcome);
  bool good = candidate.outcome == "no difference" || candidate.outcome.starts_with("same code as ");
  CHECK(good);
  return good;
}

}  // namespace

TEST_CASE("the fastest candidate wins, is recorded, and is what runs next") {
  Folder folder;
  KernelLibrary library(hostTarget(), {folder.path});
  TuneOptions options;
  options.effort = Effort::Exhaustive;
  options.timePairs = fake([](const std::string& schedule) {
    return schedule.find("unroll=4") != std::string::npos && schedule.find("chunk=4096") != std::string::npos ? 50.0 : 100.0;
  });
  WorkloadItem one = item("add a=*x8 b=*x8");
  auto outcome = tuneOp(library, space(), one, options);
  REQUIRE(outcome);
  CHECK(outcome->speedup == Approx(2));
  CHECK(outcome->schedule.find("unroll=4 chunk=4096") != std::string::npos);
  KernelLibrary next(hostTarget(), {folder.path});
  auto choice = next.choose(one.op);
  REQUIRE(choice);
  CHECK(choice->from == "tuned");
  CHECK(text(choice->schedule) == outcome->schedule);
  auto artifact = next.cache().find(kernelKey(one.op, choice->schedule, next.target()));
  REQUIRE(artifact.has_value());
  CHECK(artifact->certificate.cases > 0);
  CHECK(artifact->tuning.find("effort=exhaustive") != std::string::npos);
}

TEST_CASE("what was timed decides what is tried next") {
  // The space of one CPU, whatever runs the test.
  std::vector<Target> levels = runnableLevels();
  if (std::none_of(levels.begin(), levels.end(), [](const Target& level) { return level.name == "x86-64-v3"; })) {
    WARN("skipped: this machine cannot run x86-64-v3");
    return;
  }
  KernelLibrary library(cpu("haswell"), {});
  // A machine on which small tiles are the fastest, and loops that are not unrolled: the opposite of what the cost model says.
  static constexpr auto kNs = [](const std::string& schedule) {
    auto parsed = parseKeyValues(schedule, "schedule", false);
    double size = 0;
    for (const auto& [key, value] : parsed->pairs)
      if (key == "mr" || key == "nr" || key == "unroll_k") size += std::log2(*parseDouble(value));
    return 100 * std::exp(0.1 * size);
  };
  WorkloadItem one = item("matmul m=* n=192 k=600 const=b");
  std::vector<Candidate> candidates = candidatesOf(space(), one.op, one.sample, library.target());
  auto quicker = [](const Candidate& a, const Candidate& b) { return kNs(text(a.schedule)) < kNs(text(b.schedule)); };
  auto best = std::min_element(candidates.begin(), candidates.end(), quicker);
  constexpr std::ptrdiff_t kPatient = 60;
  REQUIRE(best - candidates.begin() > kPatient);  // in the order of costs it would not be tried
  TuneOptions options;
  options.effort = Effort::Patient;
  options.timePairs = fake([](const std::string& schedule) { return kNs(schedule); });
  auto outcome = tuneOp(library, space(), one, options);
  REQUIRE(outcome);
  REQUIRE(outcome->candidates.size() >= static_cast<size_t>(kPatient));
  outcome->candidates.resize(static_cast<size_t>(kPatient));
  double reached = 1e9;
  for (const CandidateResult& candidate : outcome->candidates) reached = std::min(reached, kNs(candidate.schedule));
  CHECK(reached <= 1.05 * kNs(text(best->schedule)));
}

TEST_CASE("no difference changes nothing") {
  KernelLibrary library(hostTarget(), {});
  TuneOptions options;
  options.timePairs = fake([](const std::string&) { return 100.0; });
  WorkloadItem one = item("softmax x=*x40");
  auto outcome = tuneOp(library, space(), one, options);
  REQUIRE(outcome);
  CHECK(outcome->schedule == text(defaultSchedule(one.op, library.target())));
  for (const CandidateResult& candidate : outcome->candidates) CHECK(isNoDifference(candidate));
}

TEST_CASE("the budget ends the search with the best so far, longest recorded time first") {
  Folder folder;
  KernelLibrary library(hostTarget(), {folder.path});
  TuneOptions options;
  double now = 0;
  Stop::Clock clock = [&now] { return now; };
  options.stop = Stop(nullptr, &clock);
  options.budgetSeconds = 6;
  options.timePairs = [&now](const std::string&, const std::string&, int pairs) {
    now += 0.5;  // what one turn takes
    return PairSamples{std::vector<double>(static_cast<size_t>(pairs), 100), std::vector<double>(static_cast<size_t>(pairs), 100)};
  };
  Workload workload{"w", {item("add a=*x8 b=*x8", 1), item("mul a=*x8 b=*x8", 3), item("sub a=*x8 b=*x8", 2)}};
  auto outcomes = tuneWorkload(library, space(), workload, options);
  REQUIRE(outcomes);
  REQUIRE_FALSE(outcomes->empty());
  CHECK(outcomes->at(0).op == "mul a=*x8 b=*x8");
  CHECK_FALSE(outcomes->at(0).finished);
  CHECK(now <= 6.5);
  // Every op ends at least at its default, or is listed as not reached; cut short is not done.
  REQUIRE(outcomes->size() == 3);
  for (const TuneOutcome& outcome : *outcomes) {
    CHECK(outcome.reached == !outcome.schedule.empty());
    if (!outcome.finished)
      CHECK(KernelLibrary(hostTarget(), {folder.path}).tuning().choose(op(outcome.op), library.target())->record.effort == kPartialEffort);
  }
}

namespace {

/// A clock that only turns of timing move, half a second each, of which no schedule is faster than another.
struct Pretended {
  double now = 0;
  Stop::Clock clock = [this] { return now; };
  std::vector<size_t> reached;  ///< ops, as they were gone on with

  std::vector<TuneOutcome> tune(const Workload& workload, double budget, const Ceilings& core = {}) {
    now = 0;
    reached.clear();
    KernelLibrary library(hostTarget(), {});
    TuneOptions options;
    options.stop = Stop(nullptr, &clock);
    options.budgetSeconds = budget;
    options.core = core;
    options.timePairs = [this, still = core.fmaGflops > 0](const std::string&, const std::string&, int pairs) {
      now += still ? 0 : 0.5;
      return PairSamples{std::vector<double>(static_cast<size_t>(pairs), 100), std::vector<double>(static_cast<size_t>(pairs), 100)};
    };
    options.progress = [this](const TuneProgress& progress) {
      if (reached.empty() || reached.back() != progress.op) reached.push_back(progress.op);
    };
    auto outcomes = tuneWorkload(library, space(), workload, options);
    REQUIRE(outcomes);
    return *outcomes;
  }
};

}  // namespace

TEST_CASE("time that an op does not use goes to those that were cut short") {
  // The first needs much more than its share, the second hardly anything.
  WorkloadItem product = item("matmul m=24 n=96 k=64 const=b", 2), small = item("relu x=8", 1);
  Pretended machine;
  for (const TuneOutcome& outcome : machine.tune({"w", {product, small}}, 1e6)) CHECK(outcome.finished);
  double needed = machine.now;
  CHECK(machine.reached == std::vector<size_t>{0, 1});
  std::vector<TuneOutcome> outcomes = machine.tune({"w", {product, small}}, 1.2 * needed);
  INFO(needed << " s needed, " << machine.now << " s taken");
  for (const TuneOutcome& outcome : outcomes) CHECK(outcome.finished);
  CHECK(machine.now <= needed + 1);  // what was timed is not timed again
}

TEST_CASE("an op that cannot be finished does not keep the others' time busy for ever") {
  Ceilings core;  // of which even the default's times are none that it can take
  core.fmaGflops = core.readGBs[0] = 1e-3;
  Pretended machine;
  std::vector<TuneOutcome> outcomes = machine.tune({"w", {item("relu x=8000")}}, 100, core);
  REQUIRE(outcomes.size() == 1);
  CHECK_FALSE(outcomes[0].finished);
  CHECK(machine.now == 0);
}

TEST_CASE("a winner that does not win again gives way to the default") {
  Folder folder;
  KernelLibrary library(hostTarget(), {folder.path});
  TuneOptions options;
  Workload workload{"w", {item("softmax x=*x40")}};
  // The first candidate that is timed is quick until it was crowned and met the default once more.
  std::string lucky;
  int meetings = 0;
  constexpr int kDuel = 15;  // pairs of a duel's first turn; no turn among candidates has so many
  options.timePairs = [&](const std::string&, const std::string& challenger, int pairs) {
    if (lucky.empty()) lucky = challenger;
    bool quick = challenger == lucky;
    if (quick && pairs == kDuel) ++meetings;
    double ratio = quick && meetings < 2 ? 0.5 : 1;
    auto count = static_cast<size_t>(pairs);
    return PairSamples{std::vector<double>(count, 100), std::vector<double>(count, 100 * ratio)};
  };
  auto outcomes = tuneWorkload(library, space(), workload, options);
  REQUIRE(outcomes);
  CHECK(meetings == 2);
  CHECK(outcomes->at(0).schedule == text(defaultSchedule(workload.items[0].op, library.target())));
  CHECK(KernelLibrary(hostTarget(), {folder.path}).tuning().choose(workload.items[0].op, library.target())->schedule ==
        outcomes->at(0).schedule);
}

TEST_CASE("a stop keeps what is done, and the next run goes on from there") {
  Folder folder;
  KernelLibrary library(hostTarget(), {folder.path});
  std::atomic<int> stop{0};
  TuneOptions options;
  options.stop = Stop(&stop);
  options.timePairs = fake([](const std::string&) { return 100.0; });
  options.progress = [&](const TuneProgress& p) { stop = p.op == 1 ? 1 : 0; };
  Workload workload{"w", {item("add a=*x8 b=*x8", 3), item("mul a=*x8 b=*x8", 2), item("sub a=*x8 b=*x8", 1)}};
  auto first = tuneWorkload(library, space(), workload, options);
  REQUIRE(first);
  REQUIRE(first->size() == 3);
  CHECK(first->at(0).finished);
  CHECK_FALSE(first->at(1).finished);
  CHECK_FALSE(first->at(2).reached);
  stop = 0;
  options.progress = {};
  KernelLibrary next(hostTarget(), {folder.path});
  auto second = tuneWorkload(next, space(), workload, options);
  REQUIRE(second);
  REQUIRE(second->size() == 3);
  CHECK(second->at(0).skipped);
  CHECK(second->at(1).finished);
  CHECK_FALSE(second->at(2).skipped);
}

TEST_CASE("few rows of a weight get schedules that share it, from measurement") {
  Folder folder;
  KernelLibrary library(hostTarget(), {folder.path});
  TuneOptions options;
  options.effort = Effort::Measure;
  // Only the candidates for few rows name the panel; of those, tiles of one row are the quickest.
  options.timePairs = fake([](const std::string& schedule) {
    return schedule.find("mr=1 ") == 0 && schedule.find(" panel=0") == std::string::npos ? 50.0 : 100.0;
  });
  WorkloadItem one = item("matmul m=* n=96 k=40 const=b");
  REQUIRE(tuneOp(library, space(), one, options));
  KernelLibrary next(hostTarget(), {folder.path});
  auto choice = next.choose(one.op);
  REQUIRE(choice);
  CHECK(choice->from == "tuned");
  REQUIRE_FALSE(choice->sized.empty());
  for (const SizeClass& few : choice->sized) {
    INFO(few.most.rows << ": " << text(few.schedule));
    CHECK(sharesWeight(few.schedule, choice->schedule));
    CHECK(text(few.schedule).find("mr=1 ") == 0);
  }
  // Each kernel that runs was verified by itself, and its entry says so.
  auto certified = [&](const Schedule& schedule) {
    auto artifact = next.cache().find(kernelKey(one.op, schedule, next.target()));
    return artifact && artifact->certificate.cases > 0 && artifact->certificate.worstOverLimit <= 1;
  };
  CHECK(certified(choice->schedule));
  for (const SizeClass& few : choice->sized) CHECK(certified(few.schedule));
  // A new decision about the op voids them: they read the weight as the former one packed it.
  REQUIRE(next.tuning().add(
      {TuningRecord::Kind::Tuned, text(one.op), tuningCpu(next.target()), text(choice->schedule), 1, 0, 0, "measure", timestamp(), {}}));
  CHECK(next.tuning().sizeClasses(one.op, next.target()).empty());
}

TEST_CASE("every type of weight is tuned: what is legal compiles and gives the default's bits") {
  for (const char* type : {"f16", "bf16", "q8_0", "q4_0", "q4_K", "q6_K", "q5_1", "q3_K", "iq4_xs", "mxfp4"}) {
    INFO(type);
    Folder folder;
    KernelLibrary library(hostTarget(), {folder.path});
    TuneOptions options;
    options.effort = Effort::Measure;
    options.timePairs = fake([](const std::string&) { return 100.0; });
    auto outcome = tuneOp(library, space(), item(fmt::format("matmul m=* n=96 k=256 tb=1 const=b w={}", type)), options);
    REQUIRE(outcome);
    CHECK(outcome->finished);
    CHECK(outcome->candidates.size() > 20);
    for (const CandidateResult& candidate : outcome->candidates) CHECK(isNoDifference(candidate));
  }
}

TEST_CASE("an op whose time is over before anything was tried is not recorded") {
  Folder folder;
  KernelLibrary library(hostTarget(), {folder.path});
  TuneOptions options;
  double now = 0;
  Stop::Clock clock = [&now] { return now += 100; };
  options.stop = Stop(nullptr, &clock);
  options.timePairs = fake([](const std::string&) { return 100.0; });
  options.budgetSeconds = 350;
  Workload workload{"w", {item("add a=*x8 b=*x8")}};
  auto outcomes = tuneWorkload(library, space(), workload, options);
  REQUIRE(outcomes);
  REQUIRE(outcomes->size() == 1);
  CHECK(outcomes->at(0).candidates.empty());
  CHECK_FALSE(outcomes->at(0).reached);
  CHECK_FALSE(outcomes->at(0).finished);
  CHECK_FALSE(KernelLibrary(hostTarget(), {folder.path}).tuning().choose(workload.items[0].op, library.target()));
}

TEST_CASE("a pinned schedule is verified and used; a wrong one is refused") {
  Folder folder;
  KernelLibrary library(hostTarget(), {folder.path});
  OpDesc desc = op("softmax x=*x40");
  REQUIRE(pinSchedule(library, desc, "rows=3"));
  CHECK(library.choose(desc)->from == "pinned");
  CHECK_FALSE(pinSchedule(library, desc, "rows=0"));
  REQUIRE(unpinSchedule(library, desc));
  CHECK(library.choose(desc)->from == "default");
}

TEST_CASE("a pinned schedule and what it runs for small calls carry certificates of their own") {
  Folder folder;
  KernelLibrary library(hostTarget(), {folder.path});
  OpDesc desc = op("matmul m=* n=96 k=40 const=b");
  REQUIRE(pinSchedule(library, desc, "mr=4"));
  KernelLibrary next(hostTarget(), {folder.path});
  auto choice = next.choose(desc);
  REQUIRE(choice);
  CHECK(choice->from == "pinned");
  std::vector<Schedule> kernels = {choice->schedule};
  for (const SizeClass& few : choice->sized) kernels.push_back(few.schedule);
  for (const Schedule& schedule : kernels) {
    auto artifact = next.cache().find(kernelKey(desc, schedule, next.target()));
    INFO(text(schedule));
    REQUIRE(artifact.has_value());
    CHECK(artifact->certificate.cases >= 5);
  }
  CHECK(next.cache().find(kernelKey(desc, choice->schedule, next.target()))->tuning.find("pin") != std::string::npos);
}

TEST_CASE("every candidate of the space is legal, distinct, and the default is in front") {
  for (const char* given : {"matmul m=34 n=1024 k=256 const=b", "matmul m=100 n=100 k=100", "gelu x=10000", "softmax x=16x128",
                            "transpose x=30x40", "attention heads=2 head_dim=16 q=8 kv=8"})
    for (const char* name : {"x86-64", "haswell", "x86-64-v4", "neoverse-v1"}) {
      OpDesc desc = op(given);
      Target target = cpu(name);
      std::vector<Candidate> candidates = candidatesOf(space(), desc, {}, target);
      INFO(given << " on " << name);
      CHECK(candidates[0].schedule == defaultSchedule(desc, target));
      CHECK(candidates.size() > 2);
      for (const Candidate& candidate : candidates) CHECK(validate(candidate.schedule, desc, target));
    }
}
