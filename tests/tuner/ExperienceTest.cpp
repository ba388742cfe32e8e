// tests/tuner/ExperienceTest.cpp — what a journal's lines teach, and the order in which candidates are tried because of it.
#include "tests/Support.h"
#include "tuner/Experience.h"
#include "tuner/Explain.h"

#include <algorithm>
#include <fmt/format.h>
#include <set>

using namespace quern;

namespace {

/// One run about an op: its schedules and what each took beside the default; 0: a turn without ratios.
void addRun(Journal& journal, const std::string& name, const std::string& given, const std::string& at,
            const std::vector<std::pair<std::string, double>>& took, const std::string& effort = "measure") {
  Target target = hostTarget();
  OpDesc desc = op(given);
  Schedule base = defaultSchedule(desc, target);
  std::vector<JournalLine> lines(1);
  lines[0].kind = JournalLine::Kind::Run;
  lines[0].run = name;
  lines[0].question = asWritten({text(desc), at, text(base), tuningCpu(target), kernelKey(desc, base, target).generator, effort});
  for (const auto& [schedule, ratio] : took) {
    JournalLine line;
    line.run = name, line.schedule = text(*parseSchedule(schedule, desc, target)), line.ns = 100;
    lines.push_back(line);
    line.kind = JournalLine::Kind::Turn;
    if (ratio > 0) line.ratios = std::vector<double>(5, ratio);
    lines.push_back(line);
  }
  REQUIRE(journal.add(lines));
}

/// What may be tried of an op beside its default, in the order that it has at first.
struct Untried {
  Target target = hostTarget();
  OpDesc desc;
  Schedule base;
  std::vector<Candidate> candidates;

  explicit Untried(const std::string& given) : desc(op(given)) {
    auto space = readSearchSpace("default");
    REQUIRE(space);
    candidates = candidatesOf(*space, desc, {}, target);
    base = candidates[0].schedule;
    candidates.erase(candidates.begin());
    for (size_t i = 0; i < candidates.size(); ++i) candidates[i].place = i + 1;
  }
  FittedOrder order(std::vector<OpExperience> known = {}) const { return {{desc, base, CacheState::Hot}, std::move(known), target}; }
};

std::vector<OpExperience> known(const Journal& journal, const std::string& until = "") {
  return experienceOf(journal, op("gelu x=500"), hostTarget(), "", until);
}

}  // namespace

TEST_CASE("a journal teaches what ops of one class took, run by run") {
  Journal journal;
  std::string rows = runtimeDims(op("relu x=*")).at(0);
  addRun(journal, "a", "gelu x=500", "", {{"unroll=16", 0.5}, {"unroll=8", 0.8}});
  addRun(journal, "b", "softmax x=3x500", "", {{"rows=2", 0.5}});  // of another class
  addRun(journal, "c", "relu x=*", rows + "=700", {{"unroll=8", 2}});
  addRun(journal, "d", "relu x=*", rows + "=700", {{"unroll=8", 3}}, "measure confirm");
  addRun(journal, "e", "relu x=*", "", {{"unroll=8", 2}});                      // of what size is not said
  addRun(journal, "f", "relu x=*", rows + "=900 lukewarm", {{"unroll=8", 2}});  // in a state that is not known
  addRun(journal, "h", "gelu x=600", "", {{"unroll=16", 2}}, "measure rows");
  std::vector<OpExperience> all = known(journal);
  REQUIRE(all.size() == 2);
  REQUIRE(experienceOf(journal, op("gelu x=500"), hostTarget(), " rows").size() == 1);
  CHECK(all[0].op == "gelu x=500");
  REQUIRE(all[0].schedules.size() == 2);
  CHECK(all[0].schedules.begin()->second.ratio.median > 0);
  CHECK(text(all[1].context.bound) == text(op("relu x=700")));
  CHECK(all[1].schedules.begin()->second.ratio.median == 2);
  // The newest run about a question counts alone.
  addRun(journal, "g", "gelu x=500", "", {{"unroll=16", 0.7}});
  REQUIRE(known(journal)[0].schedules.size() == 1);
  CHECK(known(journal)[0].schedules.begin()->second.ratio.median == Approx(0.7));
}

TEST_CASE("a run that is gone on with knows what it knew at first") {
  Journal journal;
  addRun(journal, "a", "gelu x=500", "", {{"unroll=16", 0.5}});
  addRun(journal, "b", "relu x=700", "", {{"unroll=16", 0.5}});
  addRun(journal, "c", "abs x=700", "", {{"unroll=16", 0.5}});
  CHECK(known(journal).size() == 3);
  CHECK(known(journal, "b").size() == 1);
  CHECK(known(journal, "another").size() == 3);
}

TEST_CASE("candidates stay in their order until something was measured, then the promising come first") {
  Untried untried("matmul m=64 n=384 k=384 const=b");
  std::vector<Candidate>& given = untried.candidates;
  given.back().foremost = true;  // say another machine's winner
  std::string foremost = text(given.back().schedule), first = text(given.front().schedule);
  FittedOrder order = untried.order();
  std::vector<Candidate> sorted = given;
  order.sort(sorted, 0);
  CHECK(text(sorted.front().schedule) == first);
  CHECK(sorted.front().predicted == 0);
  // What was the most promising took five times what was thought, as did all with its tile.
  for (const Candidate& candidate : given)
    if (kindOf(candidate.schedule) == kindOf(given.front().schedule)) order.took(candidate.schedule, {5, 4.9, 5.1}, 20);
  order.sort(sorted, 0);
  CHECK(text(sorted.front().schedule) == foremost);
  CHECK(sorted.size() == given.size());
  auto place = std::find_if(sorted.begin(), sorted.end(), [&](const Candidate& each) { return text(each.schedule) == first; });
  REQUIRE(place != sorted.end());
  CHECK(place->predicted > 3);
  CHECK(place - sorted.begin() > static_cast<std::ptrdiff_t>(sorted.size()) / 2);
  // Several kinds in a batch; what was tried already stays where it is.
  std::set<std::string> kinds;
  for (size_t i = 1; i < 9; ++i) kinds.insert(kindOf(sorted[i].schedule));
  CHECK(kinds.size() >= 3);
  std::vector<Candidate> again = sorted;
  order.took(sorted[9].schedule, {3, 2.9, 3.1}, 20);
  order.sort(again, 10);
  for (size_t i = 0; i < 10; ++i) CHECK(again[i].schedule == sorted[i].schedule);
}

TEST_CASE("what won for an op nearly as large is tried first") {
  Untried untried("gelu x=500");
  // The one that is expected last, for an op of half the size and for one of a thousandth.
  std::string last = text(untried.candidates.back().schedule);
  for (auto [other, first] : {std::pair("gelu x=250", true), {"gelu x=500000", false}}) {
    Journal journal;
    addRun(journal, "a", other, "", {{last, 0.97}});
    FittedOrder order = untried.order(known(journal));
    std::vector<Candidate> sorted = untried.candidates;
    order.sort(sorted, 0);
    INFO(other);
    CHECK((text(sorted.front().schedule) == last) == first);
  }
}

TEST_CASE("of more schedules than are learnt from, each is told what the others say of it") {
  Target target = hostTarget();
  OpDesc desc = op("matmul m=64 n=384 k=2048 const=b");
  FittedOrder order({desc, defaultSchedule(desc, target), CacheState::Hot}, {}, target);
  constexpr size_t kMany = 430;
  for (size_t i = 0; i < kMany; ++i) order.took(schedule(fmt::format("kc={}", 64 + 4 * i), desc, target), {1.3, 1.29, 1.31}, 20);
  std::vector<CostFit::Guess> all = order.leftOut();
  REQUIRE(all.size() == kMany);
  CHECK(std::all_of(all.begin(), all.end(), [](const CostFit::Guess& guess) { return guess.ratio > 0.1 && guess.ratio < 10; }));
}

TEST_CASE("ops of the same sizes are not one op, and turns without ratios teach nothing") {
  Target target = hostTarget();
  auto pointOf = [&](const char* given) {
    OpDesc desc = op(given);
    Schedule base = defaultSchedule(desc, target);
    return fitPointOf({desc, base, CacheState::Hot}, base, target);
  };
  CHECK(pointOf("abs x=500").op == pointOf("relu x=500").op);
  CHECK(pointOf("abs x=500").of != pointOf("relu x=500").of);
  CHECK(pointOf("abs x=500").of == pointOf("abs x=500").of);
  Journal journal;
  addRun(journal, "a", "gelu x=500", "", {{"unroll=16", 0}, {"unroll=8", 0.8}});
  REQUIRE(known(journal).size() == 1);
  CHECK(known(journal)[0].schedules.size() == 1);
  FittedOrder order(known(journal)[0].context, {}, target);
  order.took(known(journal)[0].context.base, {0, 0, 0}, 0);
  CHECK(order.leftOut().empty());
}

TEST_CASE("explain shows the regime an op was tuned in last, and what is out in any") {
  KernelLibrary library(hostTarget(), {});
  auto space = readSearchSpace("default");
  REQUIRE(space);
  Journal journal;
  OpDesc desc = op("relu x=*");
  std::string rows = runtimeDims(desc).at(0);
  addRun(journal, "a", "relu x=*", rows + "=700", {{"unroll=8", 0.5}, {"unroll=16", 0.9}});
  JournalLine wrong;
  wrong.run = "a", wrong.schedule = text(schedule("unroll=1", desc, library.target())), wrong.outcome = "wrong: all of it";
  REQUIRE(journal.add({wrong}));
  addRun(journal, "b", "relu x=*", rows + "=900 threads=2", {{"unroll=8", 0.7}});
  auto explained = explain(library, *space, desc, journal);
  REQUIRE(explained);
  CHECK(explained->at == rows + "=900 threads=2");
  REQUIRE(explained->candidates.size() == 3);
  CHECK(explained->candidates[0].ratio.median == Approx(0.7));
  CHECK(explained->candidates[1].outcome == "default");
  CHECK(explained->candidates[2].outcome == "wrong: all of it");
  CHECK(explained->measured == 2);
}
