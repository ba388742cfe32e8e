// tests/tuner/RegimeTest.cpp — what an op is tuned for: sizes of calls, several of them, threads; and what runs for which size then.
#include "tests/Support.h"
#include "tuner/check/TimingOperands.h"
#include "tuner/Explain.h"
#include "tuner/SizeTable.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <sys/mman.h>

using namespace quern;

namespace {

const char* const kAttention = "attention heads=4 kv_heads=2 head_dim=16 q=* kv=* causal=1";

WorkloadItem attention(int64_t rows, int64_t keys) {
  WorkloadItem item{op(kAttention), {{"q", rows}, {"kv", keys}}, 1, CacheState::Hot, 1, {}, 1};
  return item;
}

SearchSpace defaultSpace() {
  auto read = readSearchSpace("default");
  REQUIRE(read);
  return *read;
}

/// A number that workers and the test see.
class SharedCount {
public:
  SharedCount() : page_(static_cast<int*>(::mmap(nullptr, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    REQUIRE(page_ != MAP_FAILED);
  }
  SharedCount(const SharedCount&) = delete;
  ~SharedCount() { ::munmap(page_, sizeof(int)); }
  int& value() const { return *page_; }

private:
  int* page_;
};

}  // namespace

TEST_CASE("of bounds in their order the first that covers a call decides for it") {
  std::vector<SizeBound> bounds = {{0, 512}, {16, 0}, {1, 0}, {1, 128}, {1, 32}, {0, 32}};
  std::sort(bounds.begin(), bounds.end());
  std::string order;
  for (const SizeBound& bound : bounds) order += text(bound) + ", ";
  CHECK(order == "rows=1 keys=32, rows=1 keys=128, rows=1, rows=16, keys=32, keys=512, ");
  auto first = [&](int64_t rows, int64_t keys) {
    for (const SizeBound& bound : bounds)
      if (bound.covers(rows, keys)) return text(bound);
    return std::string("none");
  };
  CHECK(first(1, 32) == "rows=1 keys=32");
  CHECK(first(1, 33) == "rows=1 keys=128");
  CHECK(first(1, 129) == "rows=1");
  CHECK(first(2, 9) == "rows=16");
  CHECK(first(17, 33) == "keys=512");
  CHECK(first(17, 513) == "none");
}

TEST_CASE("where an op is tuned is a text that can be read back") {
  WorkloadItem item = attention(32, 2048);
  CHECK(regimeOf(item) == "kv=2048 q=32");
  item.sizes = {{{{"q", 1}, {"kv", 25}}, 8}, {{{"q", 32}, {"kv", 2048}}, 1}};
  item.cacheState = CacheState::ColdWeights, item.threads = 2;
  CHECK(regimeOf(item) == "kv=2048 q=32 sizes=[kv=25 q=1 x8, kv=2048 q=32] cold-weights threads=2");
  auto back = parseRegime(item.op, regimeOf(item));
  REQUIRE(back);
  CHECK(regimeOf(*back) == regimeOf(item));
  CHECK(back->sizes[0].weight == 8);
  for (const char* wrong :
       {"kv=2048", "kv=2048 q", "kv=2048 q=32 sizes=[kv=1", "kv=2048 q=32 sizes=[kv=1]", "hot", "kv=2048 q=0", "kv=-1 q=32",
        "kv=2048 q=32 threads=0", "kv=2048 q=32 threads=4294967297", "kv=4611686018427387904 q=32", "kv=2048 q=32 sizes=[kv=0 q=1]"})
    CHECK_FALSE(parseRegime(item.op, wrong));
  auto flops = [](const OpDesc& bound) { return flopsOf(bound); };
  double few = flopsOf(fixed(item.op, item.sizes[0].dims)), many = flopsOf(fixed(item.op, item.sizes[1].dims));
  CHECK(meanOf(item, flops) == Approx((callsOfRound(item.sizes)[0] * few + callsOfRound(item.sizes)[1] * many) /
                                      (callsOfRound(item.sizes)[0] + callsOfRound(item.sizes)[1])));
}

TEST_CASE("a round of a mix has calls of each size as often as it occurs") {
  auto of = [](std::vector<double> weights) {
    std::vector<SizePoint> sizes;
    for (double weight : weights) sizes.push_back({{{"m", 1}}, weight});
    return callsOfRound(sizes);
  };
  CHECK(of({1, 1, 1}) == std::vector<int>{1, 1, 1});
  CHECK(of({3, 1}) == std::vector<int>{3, 1});
  CHECK(of({1000, 1}) == std::vector<int>{16, 1});
  WorkloadItem item{op("matmul m=* n=40 k=24 const=b ep=bias"), {{"m", 9}}, 1, CacheState::Hot, 1, {{{{"m", 2}}, 3}, {{{"m", 9}}, 1}}, 1};
  KernelLibrary library(hostTarget(), {});
  auto kernels = library.kernels(item.op, "default");
  REQUIRE(kernels);
  TimingOperands operands(item.op, item.sample, {}, 0, item.sizes);
  auto rounds = operands.bindAll(*kernels);
  REQUIRE(rounds);
  REQUIRE(rounds->size() == 1);
  REQUIRE(rounds->at(0).size() == 4);
  // A call of two rows leaves what the third was; the first two are those of the call of nine.
  for (KernelCall& call : rounds->at(0)) call.run();
  std::vector<float> nine(operands.result(), operands.result() + 9 * 40);
  std::fill(operands.result(), operands.result() + 9 * 40, -1.0F);
  rounds->at(0)[0].run();
  CHECK(std::equal(nine.begin(), nine.begin() + 2 * 40, operands.result()));
  CHECK(std::all_of(operands.result() + 2 * 40, operands.result() + 9 * 40, [](float value) { return value == -1.0F; }));
}

TEST_CASE("attention is tuned for decode and prompts at few keys, more and many") {
  auto sizesOf = [](const WorkloadItem& item) {
    std::string out;
    for (const auto& [most, dims] : tunedSizes(item)) out += fmt::format("{}: {}; ", text(most), text(dims));
    return out;
  };
  CHECK(sizesOf(attention(32, 512)) ==
        "rows=1 keys=32: kv=32 q=1; rows=1 keys=128: kv=128 q=1; rows=1: kv=512 q=1; rows=4: kv=512 q=4; rows=16: kv=512 q=16; "
        "keys=32: kv=32 q=32; keys=128: kv=128 q=32; ");
  CHECK(sizesOf(attention(8, 20)) == "rows=1: kv=20 q=1; rows=4: kv=20 q=4; ");
  // A sample of one row meets each size once: as many keys on one row, whatever they are called.
  CHECK(sizesOf(attention(1, 512)) == "rows=1 keys=32: kv=32 q=1; rows=1 keys=128: kv=128 q=1; rows=1: kv=512 q=1; ");
  WorkloadItem weight{op("matmul m=* n=40 k=24 const=b"), {{"m", 32}}, 1, CacheState::Hot, 1, {}, 1};
  CHECK(sizesOf(weight) == "rows=1: m=1; rows=2: m=2; rows=4: m=4; rows=8: m=8; rows=16: m=16; ");
  WorkloadItem closed{op("matmul m=3 n=40 k=24 const=b"), {}, 1, CacheState::Hot, 1, {}, 1};
  CHECK(tunedSizes(closed).empty());
}

TEST_CASE("a decision is left out only where every call runs the same without it") {
  auto left = [](std::vector<std::pair<SizeBound, std::string>> decisions, const std::string& base, bool someNeeded = false) {
    std::vector<TuningRecord> records;
    for (auto& [most, schedule] : decisions) records.emplace_back().most = most, records.back().schedule = schedule;
    leaveOutRepeats(records, base, someNeeded);
    std::string out;
    for (const TuningRecord& record : records) out += fmt::format("{} {}, ", text(record.most), record.schedule);
    return out;
  };
  // Of 16 rows and 100 keys the next decision says B.
  CHECK(left({{{16, 0}, "A"}, {{0, 32}, "A"}, {{0, 128}, "B"}}, "A") == "rows=16 A, keys=32 A, keys=128 B, ");
  CHECK(left({{{16, 0}, "A"}, {{0, 32}, "A"}, {{0, 128}, "A"}}, "A").empty());
  CHECK(left({{{16, 0}, "A"}, {{0, 32}, "A"}, {{0, 128}, "A"}}, "A", true) == "rows=16 A, ");
  CHECK(left({{{1, 0}, "A"}, {{2, 0}, "A"}, {{4, 0}, "B"}, {{8, 0}, "A"}}, "A") == "rows=2 A, rows=4 B, ");
  // What stands behind one that covers all of it is never asked.
  CHECK(left({{{1, 32}, "A"}, {{1, 0}, "A"}, {{0, 32}, "B"}}, "C") == "rows=1 A, keys=32 B, ");
}

TEST_CASE("figures of a size class are those of the schedule that runs") {
  OpDesc desc = op(kAttention);
  Target target = hostTarget();
  Explanation e;
  SizeClass small{{1, 32}, schedule("pack=none tiles=2", desc, target)};
  e.sizes.emplace_back().most = {1, 32};
  e.sizes.back().schedule = text(schedule("pack=none tiles=1", desc, target));
  CHECK(decisionFor(e, small) == nullptr);
  e.sizes.back().schedule = text(small.schedule);
  CHECK(decisionFor(e, small) == e.sizes.data());
  e.sizes.back().most = {1, 128};
  CHECK(decisionFor(e, small) == nullptr);
}

TEST_CASE("a table over rows and keys runs, is certified, and outlives the process") {
  Folder folder;
  auto root =
      parseToml("[space.attention]\npack = [\"none\", \"kv\"]\nsplit = [0]\n[narrow.attention]\ntiles = [1, 2]\nsplit = [0]\n", "t.toml");
  REQUIRE(root);
  auto space = parseSearchSpace(*root, "t.toml");
  REQUIRE(space);
  TuneOptions options;
  options.effort = Effort::Measure;
  // Scores of several keys at once are the quickest, where they are read in place.
  options.timePairs = [](const std::string& anchor, const std::string& challenger, int pairs) {
    auto ns = [](const std::string& schedule) {
      return schedule.find("tiles=1 pack=none split=0") != std::string::npos ? 50.0
             : schedule.find("pack=none") != std::string::npos               ? 80.0
                                                                             : 100.0;
    };
    auto count = static_cast<size_t>(pairs);
    return PairSamples{std::vector<double>(count, ns(anchor)), std::vector<double>(count, ns(challenger))};
  };
  {
    KernelLibrary library(hostTarget(), {folder.path});
    auto outcome = tuneOp(library, *space, attention(32, 160), options);
    REQUIRE(outcome);
    CHECK(outcome->finished);
  }
  KernelLibrary library(hostTarget(), {folder.path});
  // What all sizes agree about is one decision; here all do, and it is no default of small calls.
  auto choice = library.choose(op(kAttention));
  REQUIRE(choice);
  CHECK(choice->from == "tuned");
  CHECK(text(choice->schedule).find("tiles=1 pack=none split=0") != std::string::npos);
  for (const SizeClass& small : choice->sized) CHECK(text(small.schedule).find("tiles=1 pack=none split=0") != std::string::npos);

  // Decisions that differ by size, as records have them: these from before attention had the key `dots`.
  TuningRecord main = library.tuning().choose(op(kAttention), library.target())->record, few = main, keys = main;
  few.schedule = "lanes=4 rows=4 mr=1 kr=1 tiles=2 pack=none split=1", few.most = {1, 128}, few.regret = 1.5;
  keys.schedule = "lanes=4 rows=8 mr=1 kr=1 tiles=1 pack=kv split=0", keys.most = {0, 32};
  REQUIRE(library.tuning().add({main, few, keys}));
  KernelLibrary next(hostTarget(), {folder.path});
  auto set = next.kernels(op(kAttention));
  REQUIRE(set);
  REQUIRE(set->sized.size() == 2);
  CHECK(next.tuning().sizeClasses(op(kAttention), next.target())[0].regret == 1.5);
  auto at = [&](int64_t rows, int64_t count) { return set->forDims(std::vector<int64_t>{rows, count})->info.schedule; };
  REQUIRE(set->info().dims == std::vector<std::string>{"q", "kv"});
  CHECK(at(1, 128) == few.schedule + " dots=plain");
  CHECK(at(1, 129) == main.schedule);
  CHECK(at(2, 32) == keys.schedule + " dots=plain");
  CHECK(at(32, 33) == main.schedule);
  for (DimValues dims : {DimValues{{"q", 1}, {"kv", 100}}, {{"q", 1}, {"kv", 140}}, {{"q", 5}, {"kv", 20}}, {{"q", 33}, {"kv", 150}}}) {
    auto report = checkKernel(*set, op(kAttention), dims, 1);
    REQUIRE(report);
    INFO(text(dims) << ": " << report->failure);
    CHECK(report->passed);
  }
}

TEST_CASE("calls worth sharing are timed on the regime's threads, others on one") {
  SharedCount made, ran;
  TuneOptions options;
  options.effort = Effort::Measure;
  options.runner = [&](int threads) -> TaskRunner {
    made.value() = threads;
    return [&ran](int64_t count, const std::function<void(int, int64_t, int64_t)>& task) {
      ++ran.value();
      task(1, count / 2, count);
      task(0, 0, count / 2);
    };
  };
  WorkloadItem item{op("softmax x=64x96"), {}, 1, CacheState::Hot, 1, {}, 2};
  KernelLibrary library(hostTarget(), {});
  options.worthSharing = [](double flops) { return flops < 1; };
  REQUIRE(tuneOp(library, defaultSpace(), item, options));
  CHECK(made.value() == 0);
  options.worthSharing = [](double flops) { return flops > 1; };
  auto outcome = tuneOp(library, defaultSpace(), item, options);
  REQUIRE(outcome);
  CHECK(outcome->finished);
  CHECK(made.value() == 2);
  CHECK(ran.value() > 100);
}
