// tests/tuner/ReplayTest.cpp — a whole model with and without what was tuned: what does not help is taken back, and nothing else.
#include "tests/model/TestModel.h"
#include "tools/quern/bench/Replay.h"

#include <catch2/catch.hpp>

using namespace quern;

namespace {

/// A small decoder as files, and a library whose records say what each test likes.
struct Tuned {
  explicit Tuned(int64_t width) {
    ModelConfig config = smallConfig();
    config.width = width;
    config.hidden = 2 * width;
    auto opened = openModelFiles(writeGguf(randomLlama(config, 3), folder.path));
    REQUIRE(opened);
    source = *opened;
    auto forward = workloadOf(source, kUsualRows);
    REQUIRE(forward);
    for (const WorkloadItem& item : forward->items) ops.push_back(item.op);
  }
  /// Every op of this kind is on record with this schedule. Returns them.
  std::vector<OpDesc> record(const std::string& kind, const std::string& given) {
    std::vector<OpDesc> found;
    for (const OpDesc& op : ops)
      if (nameOf(op) == kind) found.push_back(op);
    REQUIRE_FALSE(found.empty());
    for (const OpDesc& op : found)
      REQUIRE(library.tuning().add({TuningRecord::Kind::Tuned, text(op), tuningCpu(library.target()),
                                    text(schedule(given, op, library.target())), 1.5, 1000, 3, "measure", timestamp(), 0}));
    return found;
  }
  bool runsDefault(const OpDesc& op) {
    KernelLibrary next(hostTarget(), {folder.path + "/cache"});
    auto choice = next.choose(op);
    REQUIRE(choice);
    return choice->schedule == defaultSchedule(op, next.target());
  }

  Folder folder;
  KernelLibrary library{hostTarget(), {folder.path + "/cache"}};
  ModelSource source;
  std::vector<OpDesc> ops;
};

/// Time with over time without, by kind.
std::function<PairSamples(const std::string&, bool, int)> ratios(std::map<std::string, std::pair<double, double>> of) {
  return [of](const std::string& kind, bool prompt, int pairs) {
    auto known = of.find(kind);
    double ratio = known == of.end() ? 1 : prompt ? known->second.first : known->second.second;
    auto count = static_cast<size_t>(pairs);
    return PairSamples{std::vector<double>(count, 100), std::vector<double>(count, 100 * ratio)};
  };
}

std::vector<OpDesc> together(std::vector<OpDesc> a, const std::vector<OpDesc>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const char* const kSlowMatmul = "mr=1 nr=4 lanes=4";  ///< a tile of one row and four elements: it waits for each sum
const char* const kOtherNorm = "rows=3";

}  // namespace

TEST_CASE("a tuned schedule that is slow in the model is taken back, by the clock", "[.]") {
  Tuned tuned(256);
  std::vector<OpDesc> slow = tuned.record("matmul", kSlowMatmul);
  for (const OpDesc& op : slow) REQUIRE_FALSE(tuned.runsDefault(op));
  auto replay = replayModel(tuned.library, tuned.source, slow, {});
  REQUIRE(replay);
  CHECK(replay->leftOut.empty());
  REQUIRE(replay->rows.size() == 1);
  const ReplayRow& row = replay->rows[0];
  CHECK(row.kind == "matmul");
  CHECK(row.ops.size() == slow.size());
  INFO(text(*replay));
  CHECK(row.prefill.low > 1);
  CHECK(row.takenBack);
  for (const OpDesc& op : slow) CHECK(tuned.runsDefault(op));
}

TEST_CASE("of several kinds those go that do not help; what is pinned stays; all together are never taken back") {
  Tuned tuned(64);
  std::vector<OpDesc> matmuls = tuned.record("matmul", kSlowMatmul), norms = tuned.record("rmsnorm", kOtherNorm);
  OpDesc pinned = matmuls.back();
  REQUIRE(pinSchedule(tuned.library, pinned, kSlowMatmul));
  std::vector<std::string> said;
  ReplaySettings settings;
  settings.progress = [&](const std::string& kind) { said.push_back(kind); };
  settings.timePairs = ratios({{"rmsnorm", {0.9, 0.95}}, {"matmul", {1.3, 1.1}}, {"all", {1.2, 1.2}}});
  auto replay = replayModel(tuned.library, tuned.source, together(matmuls, norms), settings);
  REQUIRE(replay);
  CHECK(said == std::vector<std::string>{"all", "matmul", "rmsnorm"});
  REQUIRE(replay->rows.size() == 3);
  for (const ReplayRow& row : replay->rows) CHECK(row.takenBack == (row.kind == "matmul"));
  CHECK(replay->rows[1].prefill.median == Approx(1.3));
  CHECK(replay->rows[1].decode.median == Approx(1.1));
  for (const OpDesc& op : matmuls) CHECK(tuned.runsDefault(op) == (text(op) != text(pinned)));
  for (const OpDesc& op : norms) CHECK_FALSE(tuned.runsDefault(op));
  std::string row = "matmul (" + std::to_string(matmuls.size() - 1) + " ops): no help, its defaults run again";
  CHECK(text(*replay).find(row) != std::string::npos);
}

TEST_CASE("a replay that was done is not done again, one that was not is, whoever tuned what it is about") {
  Tuned tuned(64);
  std::vector<OpDesc> matmuls = tuned.record("matmul", kSlowMatmul), norms = tuned.record("rmsnorm", kOtherNorm);
  int timed = 0;
  auto journal = Journal::open(tuned.folder.path + "/cache");
  REQUIRE(journal);
  ReplaySettings settings;
  settings.journal = &*journal;
  auto times = ratios({{"matmul", {1.2, 1.2}}, {"rmsnorm", {0.9, 0.9}}, {"all", {0.9, 0.9}}});
  settings.timePairs = [&](const std::string& kind, bool prompt, int pairs) { return ++timed, times(kind, prompt, pairs); };
  std::atomic<int> stop{0};
  settings.stop = Stop(&stop);
  settings.progress = [&](const std::string& kind) { stop = kind == "matmul" ? 1 : 0; };  // Ctrl-C in the middle
  auto replay = replayModel(tuned.library, tuned.source, tuned.ops, settings);
  REQUIRE(replay);
  CHECK(replay->rows.size() == 1);
  for (const OpDesc& op : matmuls) CHECK_FALSE(tuned.runsDefault(op));
  settings.progress = {};
  stop = 0;
  replay = replayModel(tuned.library, tuned.source, tuned.ops, settings);  // ops that run their defaults are passed over
  REQUIRE(replay);
  REQUIRE(replay->rows.size() == 3);
  CHECK(replay->rows[0].ops.size() == matmuls.size() + norms.size());
  CHECK(replay->rows[1].takenBack);
  timed = 0;
  journal = Journal::open(tuned.folder.path + "/cache");
  REQUIRE(journal);
  replay = replayModel(tuned.library, tuned.source, tuned.ops, settings);
  REQUIRE(replay);
  CHECK(replay->rows.empty());
  CHECK(timed == 0);
  // Asked for, or with another schedule, it is.
  settings.again = true;
  replay = replayModel(tuned.library, tuned.source, tuned.ops, settings);
  REQUIRE(replay);
  CHECK(replay->rows.size() == 1);
  settings.again = false;
  tuned.record("rmsnorm", "rows=5");
  replay = replayModel(tuned.library, tuned.source, tuned.ops, settings);
  REQUIRE(replay);
  CHECK(replay->rows.size() == 1);
}

TEST_CASE("what helps: surely faster in one and surely slower in none, or faster on the whole as far as can be seen") {
  auto about = [](double ratio, double width) { return Spread{ratio, ratio - width, ratio + width}; };
  Spread none;
  CHECK(helps(about(0.9, 0.05), about(1, 0.05)));
  CHECK(helps(about(1.01, 0.05), about(0.9, 0.05)));
  CHECK_FALSE(helps(about(1.1, 0.05), about(1, 0.05)));
  CHECK(helps(about(0.8, 0.05), about(1.1, 0.05)));  // both surely: the product
  CHECK_FALSE(helps(about(0.95, 0.01), about(1.2, 0.05)));
  CHECK(helps(about(0.99, 0.05), about(1.005, 0.05)));  // neither surely
  CHECK_FALSE(helps(about(1.01, 0.05), about(1.005, 0.05)));
  CHECK(helps(none, none));
  CHECK(helps(about(0.9, 0.05), none));
  CHECK_FALSE(helps(none, about(1.1, 0.05)));
}

TEST_CASE("a model that is not to be had twice is not replayed, which is said; what was tuned stays") {
  Tuned tuned(64);
  std::vector<OpDesc> norms = tuned.record("rmsnorm", kOtherNorm);
  ReplaySettings settings;
  settings.freeBytes = 400'000;  // 2 layers of about 37,000 weights, twice, and the head
  settings.timePairs = ratios({{"rmsnorm", {2, 2}}});
  auto replay = replayModel(tuned.library, tuned.source, norms, settings);
  REQUIRE(replay);
  CHECK(replay->rows.empty());
  CHECK(replay->leftOut.starts_with("two copies of it need about "));
  CHECK(replay->leftOut.ends_with(", 390.62 KiB of memory are free"));
  CHECK(text(*replay) == "\nnot replayed in the model: " + replay->leftOut + "\n");
  for (const OpDesc& op : norms) CHECK_FALSE(tuned.runsDefault(op));
  settings.freeBytes = 4'000'000;
  replay = replayModel(tuned.library, tuned.source, norms, settings);
  REQUIRE(replay);
  CHECK(replay->leftOut.empty());
  CHECK(replay->rows.at(0).takenBack);
  // Nothing was changed: nothing to say.
  replay = replayModel(tuned.library, tuned.source, {}, settings);
  REQUIRE(replay);
  CHECK(text(*replay).empty());
}
