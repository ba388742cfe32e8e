// tests/tuner/JournalTest.cpp — what the tuner writes down survives: torn lines, damage, and kill -9 at any moment.
#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "tests/Support.h"
#include "tuner/Transfer.h"
#include "tuner/Tuner.h"
#include "tuner/records/Journal.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <random>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace quern;

namespace {

TuneQuestion question() { return {"gelu x=40", "", "lanes=8", "x86-64-v3 on this", "0123", "measure"}; }

JournalLine turn(std::vector<double> ratios) {
  JournalLine line;
  line.kind = JournalLine::Kind::Turn;
  line.schedule = "lanes=4", line.ratios = std::move(ratios), line.ns = 100;
  return line;
}

Workload workload() {
  Workload made{"w", {}};
  for (const char* given : {"softmax x=*x40", "matmul m=* n=40 k=12 const=b", "gelu x=500"}) {
    WorkloadItem item{op(given), {}, 1, CacheState::Hot, 1};
    for (const std::string& dim : runtimeDims(item.op)) item.sample[dim] = 24;
    made.items.push_back(std::move(item));
  }
  return made;
}

/// A machine whose times are a function of what is timed, and which counts what it is asked.
TuneOptions pretended(int* asked) {
  TuneOptions options;
  options.timePairs = [asked](const std::string& anchor, const std::string& challenger, int pairs) {
    ++*asked;
    double ratio = anchor == challenger ? 1 : 0.8 + static_cast<double>(std::hash<std::string>()(challenger) % 1000) / 2000;
    std::mt19937_64 random(std::hash<std::string>()(challenger) + static_cast<uint64_t>(pairs));
    PairSamples samples;
    for (int i = 0; i < pairs; ++i) {
      samples.a.push_back(1000);
      samples.b.push_back(1000 * ratio * (1 + 1e-5 * static_cast<double>(random() % 1000)));
    }
    return samples;
  };
  return options;
}

void tuneAll(const std::string& cache, int* asked) {
  auto space = readSearchSpace("default");
  KernelLibrary library(hostTarget(), {cache});
  auto outcomes = tuneWorkload(library, *space, workload(), pretended(asked));
  ::_exit(outcomes && outcomes->size() == 3 ? 0 : 1);
}

/// In a process of its own, killed after so many seconds. True: it was done before that.
bool tunedWithin(double seconds, const std::string& cache, int* asked) {
  std::fflush(nullptr);  // or the child prints again what the test has printed
  pid_t child = ::fork();
  if (child == 0) tuneAll(cache, asked);
  double until = nowSeconds() + seconds;
  int status = -1;
  while (nowSeconds() < until && ::waitpid(child, &status, WNOHANG) != child) ::usleep(1000);
  bool done = status == 0;
  if (!done) ::kill(child, SIGKILL);
  // We are who orphans come to: whatever it had started is gone soon.
  double gone = nowSeconds() + 10;
  while (nowSeconds() < gone && !(::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD)) ::usleep(1000);
  CHECK(nowSeconds() < gone);
  return done;
}

/// What was decided, without when.
std::vector<std::string> decisions(const std::string& cache) {
  std::vector<std::string> found;
  KernelLibrary library(hostTarget(), {cache});
  for (const WorkloadItem& item : workload().items) {
    auto choice = library.choose(item.op);
    REQUIRE(choice);
    found.push_back(choice->from + " " + text(choice->schedule));
    for (const SizeClass& small : choice->sized) found.push_back(fmt::format("{} {}", text(small.most), text(small.schedule)));
  }
  return found;
}

}  // namespace

TEST_CASE("a journal's line has a text form") {
  JournalLine line = turn({0.98765, 1, 2.5});
  line.run = "abc";
  auto parsed = parseJournalLine(text(line));
  REQUIRE(parsed);
  CHECK(parsed->ratios == line.ratios);
  CHECK(parsed->schedule == line.schedule);
  CHECK(parsed->ns == line.ns);
  line.kind = JournalLine::Kind::Run;
  line.question = question();
  parsed = parseJournalLine(text(line));
  REQUIRE(parsed);
  CHECK(parsed->question == question());
  CHECK(rounded(rounded(1.0 / 3)) == rounded(1.0 / 3));
  for (const char* bad : {"", "turn", "turn run=1", "turn run=1 schedule=a ratios=0.5,x", "turn run=1 schedule=a ratios=-1",
                          "turn run=1 schedule=a ns=nan", "run run=1", "sang run=1 schedule=a", "met run=1 schedule=a colour=red"}) {
    INFO(bad);
    CHECK_FALSE(parseJournalLine(bad));
  }
}

TEST_CASE("a run goes on where it was ended; one that has an end is not gone on with") {
  Folder folder;
  auto journal = Journal::open(folder.path);
  REQUIRE(journal);
  {
    RunLog log(*journal, question());
    CHECK_FALSE(log.continues());
    JournalLine met;
    met.schedule = "lanes=2", met.outcome = "wrong: all of it";
    REQUIRE(log.add(met));
    REQUIRE(log.add(turn({0.5, 0.6})));
    REQUIRE(log.add(turn({0.7})));
  }
  // The last line is torn, one is damaged.
  std::string path = folder.path + "/journal.txt";
  std::string bytes = *readFile(path);
  bytes.resize(bytes.size() - 4);
  REQUIRE(writeFileAtomically(path, bytes));
  auto again = Journal::open(folder.path);
  REQUIRE(again);
  RunLog log(*again, question());
  CHECK(log.continues());
  REQUIRE(log.met("lanes=2") != nullptr);
  auto first = log.nextTurn("lanes=4", 2);
  REQUIRE(first);
  CHECK(first->ratios == std::vector<double>{0.5, 0.6});
  CHECK_FALSE(log.nextTurn("lanes=4", 1));  // torn
  JournalLine won;
  won.schedule = "lanes=4", won.ratio = 0.5;
  REQUIRE(log.end(won));
  auto third = Journal::open(folder.path);
  REQUIRE(third);
  RunLog next(*third, question());
  CHECK_FALSE(next.continues());
  CHECK(next.met("lanes=2") != nullptr);  // what is wrong stays wrong
  CHECK_FALSE(next.nextTurn("lanes=4", 2));
  // Of another generator nothing is known.
  TuneQuestion other = question();
  other.generator = "4567";
  CHECK(RunLog(*third, other).met("lanes=2") == nullptr);
}

TEST_CASE("an op whose text has quotes is found again") {
  Folder folder;
  auto journal = Journal::open(folder.path);
  REQUIRE(journal);
  TuneQuestion quoted = question();
  quoted.op = "map expr=\"max(a, b) * 2\" a=40 b=40";
  RunLog log(*journal, quoted);
  CHECK_FALSE(log.continues());
  REQUIRE(log.add(turn({1.5, 0.5})));
  auto again = Journal::open(folder.path);
  REQUIRE(again);
  CHECK(RunLog(*again, quoted).continues());
  CHECK(again->lines([&](const TuneQuestion& q) { return q == asWritten(quoted); }).size() == 2);
  CHECK_FALSE(RunLog(*again, question()).continues());
}

TEST_CASE("what a similar op found is taken from its own run, whichever runs began before that ended") {
  KernelLibrary library(hostTarget(), {});
  Journal journal;
  auto asked = [&](const char* given) { return TuneQuestion{text(op(given)), "", "", tuningCpu(library.target()), "0123", "measure"}; };
  RunLog similar(journal, asked("gelu x=40"));
  REQUIRE(similar.add(turn({0.5})));
  RunLog another(journal, asked("softmax x=16x40"));
  REQUIRE(another.add(turn({0.5})));
  JournalLine won;
  won.schedule = "lanes=4 unroll=3";
  REQUIRE(similar.end(won));
  auto found = foundElsewhere(library, journal, op("gelu x=48"));
  REQUIRE(found.size() == 1);
  CHECK(text(found[0]).starts_with("lanes=4 unroll=3 "));
  CHECK(foundElsewhere(library, journal, op("layernorm x=16x40")).empty());
}

TEST_CASE("killed at any moment, the tuner goes on: nothing finished is done again, and the answer is the same") {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  auto* asked = static_cast<int*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  REQUIRE(asked != MAP_FAILED);
  Folder whole;
  double began = nowSeconds();
  REQUIRE(tunedWithin(600, whole.path, asked));
  double took = nowSeconds() - began;
  int needed = *asked;
  CHECK(needed > 50);
  const char* cases = std::getenv("QUERN_TEST_CASES");
  int wanted = cases == nullptr ? 10 : std::atoi(cases), kills = 0, rounds = 0;
  std::mt19937_64 random(7);
  while (kills < wanted && rounds < 20 * wanted) {
    Folder broken;
    *asked = 0;
    int here = 0;
    // Early kills and late ones, so that every part of a run is met; in the end it may take as long as it likes.
    while (!tunedWithin(here < 5 ? took * (0.02 + static_cast<double>(random() % 100) / 110) : 600, broken.path, asked)) ++here;
    INFO("after " << here << " kills");
    CHECK(decisions(broken.path) == decisions(whole.path));
    CHECK(*asked <= needed + here);  // what was being timed is timed again, nothing else
    kills += here;
    ++rounds;
  }
  CHECK(kills >= wanted);
  ::munmap(asked, 4096);
}

TEST_CASE("what took too long is tried again, whatever ended it; what crashed is not") {
  for (const char* outcome : {"wrong: all of it", "not compiled: no", "failed: crashed: SIGSEGV"}) CHECK(lasting(outcome));
  for (const char* outcome : {"", "failed: crashed: SIGXCPU", "failed: took longer than it may", "same code as lanes=4"})
    CHECK_FALSE(lasting(outcome));
}

TEST_CASE("a run that is gone on with begins with what other ops had found when it began") {
  KernelLibrary library(hostTarget(), {});
  Journal journal;
  auto asked = [&](const char* given) { return TuneQuestion{text(op(given)), "", "", tuningCpu(library.target()), "0123", "measure"}; };
  auto found = [&](const char* given, const char* schedule) {
    RunLog log(journal, asked(given));
    REQUIRE(log.add(turn({0.5})));
    JournalLine won;
    won.schedule = schedule;
    REQUIRE(log.end(won));
  };
  found("gelu x=40", "lanes=4 unroll=3");
  RunLog own(journal, asked("gelu x=48"));
  REQUIRE(own.add(turn({0.5})));
  found("gelu x=49", "lanes=4 unroll=5");
  CHECK(foundElsewhere(library, journal, op("gelu x=48")).size() == 2);
  auto before = foundElsewhere(library, journal, op("gelu x=48"), own.id());
  REQUIRE(before.size() == 1);
  CHECK(text(before[0]).starts_with("lanes=4 unroll=3 "));
}
