// tests/tuner/MeetingTest.cpp — the closing meeting of winners and the default, where a run ends before it: the next run sees to it.
#include "compiler/base/Files.h"
#include "tests/Support.h"
#include "tuner/Tuner.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace quern;

namespace {

constexpr int kDuel = 15;  // pairs of a duel's first turn; no turn among candidates has so many

WorkloadItem rowItem(const std::string& given, double priority) {
  WorkloadItem out{op(given), {}, 1, CacheState::Hot, priority};
  out.sample[runtimeDims(out.op)[0]] = 24;
  return out;
}
OpDesc firstOp() { return op("softmax x=*x40"); }
Workload oneOp() { return {"w", {rowItem("softmax x=*x40", 2)}}; }

/// The first candidate that is timed is twice as fast; `meets` is told of its meetings with the default.
struct Lucky {
  std::string schedule;
  int asked = 0, meetings = 0;
  std::function<void(int meeting)> meets;

  PairSamples operator()(const std::string& challenger, int pairs) {
    ++asked;
    if (schedule.empty()) schedule = challenger;
    if (challenger == schedule && pairs == kDuel && meets) meets(++meetings);
    auto count = static_cast<size_t>(pairs);
    return {std::vector<double>(count, 100), std::vector<double>(count, challenger == schedule ? 50 : 100)};
  }
};

TuneOptions with(Lucky& lucky) {
  TuneOptions options;
  options.timePairs = [&lucky](const std::string&, const std::string& challenger, int pairs) { return lucky(challenger, pairs); };
  return options;
}

std::vector<TuneOutcome> tuned(const std::string& cache, const Workload& workload, const TuneOptions& options) {
  KernelLibrary library(hostTarget(), {cache});
  auto space = readSearchSpace("default");
  REQUIRE(space);
  auto outcomes = tuneWorkload(library, *space, workload, options);
  REQUIRE(outcomes);
  return *outcomes;
}

/// In a process of its own, which is to be killed before it is done.
template <class Run>
void killed(Run&& run) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  std::fflush(nullptr);  // or the child prints again what the test has printed
  pid_t child = ::fork();
  if (child == 0) {
    run();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGKILL);
  while (!(::waitpid(-1, nullptr, 0) == -1 && errno == ECHILD)) continue;  // what it had started dies with it
}

void dieInMeeting(const std::string& cache, int meeting) {
  killed([&] {
    Lucky lucky;
    lucky.meets = [meeting](int now) {
      if (now == meeting) ::kill(::getpid(), SIGKILL);
    };
    tuned(cache, oneOp(), with(lucky));
  });
}

std::string recorded(const std::string& cache) {
  KernelLibrary library(hostTarget(), {cache});
  auto choice = library.tuning().choose(firstOp(), library.target());
  return choice ? choice->schedule : "";
}
std::string defaultText() { return text(defaultSchedule(firstOp(), hostTarget())); }

}  // namespace

TEST_CASE("killed before its winner met the default once more: the next run has them meet, and a winner that fails goes") {
  Folder folder;
  dieInMeeting(folder.path, 2);
  std::string winner = recorded(folder.path);
  REQUIRE_FALSE(winner.empty());
  REQUIRE(winner != defaultText());
  Lucky noBetter{"none"};
  auto outcome = tuned(folder.path, oneOp(), with(noBetter)).at(0);
  CHECK_FALSE(outcome.skipped);
  CHECK_FALSE(outcome.unconfirmed);
  CHECK(outcome.schedule == defaultText());
  CHECK(outcome.speedup == 1);
  REQUIRE(outcome.candidates.size() == 1);
  CHECK(outcome.candidates[0].schedule == winner);
  CHECK(recorded(folder.path) == defaultText());
  CHECK(noBetter.asked < 10);  // that meeting and no search
  Lucky third{"none"};
  CHECK(tuned(folder.path, oneOp(), with(third)).at(0).skipped);
  CHECK(third.asked == 0);
}

TEST_CASE("a winner that meets the default once more after a kill, and wins, stays; then there is nothing left to do") {
  Folder folder;
  dieInMeeting(folder.path, 2);
  std::string winner = recorded(folder.path);
  Lucky again{winner};
  auto outcome = tuned(folder.path, oneOp(), with(again)).at(0);
  CHECK(outcome.skipped);
  CHECK_FALSE(outcome.unconfirmed);
  CHECK(outcome.schedule == winner);
  CHECK(again.asked > 0);
  Lucky third{winner};
  CHECK(tuned(folder.path, oneOp(), with(third)).at(0).skipped);
  CHECK(third.asked == 0);
  // Killed in a meeting that was a second run's: it is still to come.
  Folder twice;
  dieInMeeting(twice.path, 2);
  killed([&] {
    Lucky dies{recorded(twice.path)};
    dies.meets = [](int) { ::kill(::getpid(), SIGKILL); };
    tuned(twice.path, oneOp(), with(dies));
  });
  CHECK(recorded(twice.path) == winner);
  Lucky noBetter{"none"};
  CHECK(tuned(twice.path, oneOp(), with(noBetter)).at(0).schedule == defaultText());
}

TEST_CASE("killed when its record was written and its search had no end in the journal: that meeting is still to come") {
  Folder folder;
  killed([&] {
    Lucky lucky;
    TuneOptions options = with(lucky);
    std::string records = folder.path + "/records.txt";
    Stop::Clock clock = [&records] {
      if (std::filesystem::exists(records)) ::kill(::getpid(), SIGKILL);
      return 0.0;
    };
    options.stop = Stop(nullptr, &clock);
    options.budgetSeconds = 1000;
    tuned(folder.path, oneOp(), options);
  });
  REQUIRE(recorded(folder.path) != defaultText());
  Lucky noBetter{"none"};
  CHECK(tuned(folder.path, oneOp(), with(noBetter)).at(0).schedule == defaultText());
  CHECK(recorded(folder.path) == defaultText());
}

TEST_CASE("time that is over before the meeting leaves it to the next run, and says so") {
  Folder folder;
  std::atomic<int> stop{0};
  Lucky lucky;
  TuneOptions options = with(lucky);
  options.stop = Stop(&stop);
  options.progress = [&](const TuneProgress& progress) { stop = progress.op == 1 ? 1 : 0; };
  Workload two{"w", {rowItem("softmax x=*x40", 2), rowItem("layernorm x=*x40", 1)}};
  auto outcomes = tuned(folder.path, two, options);
  REQUIRE(outcomes.size() == 2);
  CHECK(outcomes[0].finished);
  CHECK(outcomes[0].unconfirmed);
  Lucky again{outcomes[0].schedule};
  outcomes = tuned(folder.path, two, with(again));
  CHECK(outcomes[0].skipped);
  CHECK_FALSE(outcomes[0].unconfirmed);
}

TEST_CASE("what was tuned in another regime is tuned again if a regime was asked for, else said") {
  Folder folder;
  Lucky first;
  CHECK_FALSE(tuned(folder.path, oneOp(), with(first)).at(0).skipped);
  Workload shared = oneOp();
  shared.items[0].threads = 2;
  Lucky again{recorded(folder.path)};
  auto outcome = tuned(folder.path, shared, with(again)).at(0);
  CHECK(outcome.skipped);
  CHECK(outcome.tunedAt == regimeOf(oneOp().items[0]));
  CHECK(again.asked == 0);
  TuneOptions options = with(again);
  options.regimeGiven = true;
  CHECK_FALSE(tuned(folder.path, shared, options).at(0).skipped);
  CHECK(again.asked > 0);
  outcome = tuned(folder.path, shared, options).at(0);
  CHECK(outcome.skipped);
  CHECK(outcome.tunedAt.empty());
  CHECK_FALSE(tuned(folder.path, oneOp(), options).at(0).skipped);
}

TEST_CASE("a meeting that is due is held where the search was, nowhere else") {
  Folder folder;
  dieInMeeting(folder.path, 2);
  std::string winner = recorded(folder.path);
  Workload shared = oneOp();
  shared.items[0].threads = 2;
  Lucky noBetter{"none"};
  auto outcome = tuned(folder.path, shared, with(noBetter)).at(0);
  CHECK(outcome.skipped);
  CHECK_FALSE(outcome.unconfirmed);
  CHECK(noBetter.asked == 0);
  CHECK(recorded(folder.path) == winner);
  CHECK(tuned(folder.path, oneOp(), with(noBetter)).at(0).schedule == defaultText());
}
