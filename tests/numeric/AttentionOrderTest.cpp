// tests/numeric/AttentionOrderTest.cpp — a row of attention has the same bits whatever it is computed with: the whole prompt, a chunk
// or alone, any schedule, any number of threads, kernels for few rows, sizes compiled in, caches laid out in several ways.
#include "compiler/loops/Lower.h"
#include "tests/numeric/AttentionPrompt.h"
#include "tests/numeric/PairArithmetic.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <iostream>
#include <map>
#include <set>

using namespace quern;

namespace {

constexpr uint64_t kSeed = 51;
constexpr int64_t kTokens = 2348;  // a segment of 2048 keys, and tiles and a bit of the next
constexpr int64_t kMostScratch = 65536;

/// All causal forms; heads alone, in pairs, threes and fours; widths below a vector, with a tail and without.
const std::vector<Prompt>& prompts() {
  static const std::vector<Prompt> all = {
      {"heads=4 kv_heads=2 head_dim=40 causal=1", kTokens, kTokens, kSeed},
      {"heads=2 kv_heads=2 head_dim=64 causal=1", kTokens, kTokens, kSeed + 1},
      {"heads=4 kv_heads=1 head_dim=7 causal=1", kTokens, kTokens, kSeed + 2},
      {"heads=3 kv_heads=1 head_dim=7 causal=topleft", 2100, kTokens, kSeed + 3},
      {"heads=2 kv_heads=1 head_dim=40 causal=topleft", 200, kTokens, kSeed + 4},
      {"heads=4 kv_heads=2 head_dim=64", 130, kTokens, kSeed + 5},
      {"heads=3 kv_heads=3 head_dim=7 scale=2", 130, kTokens, kSeed + 6},
      {"heads=4 kv_heads=2 head_dim=40 causal=1 kv_type=bf16 a=bf16 order=pairs", kTokens, kTokens, kSeed + 7},
      {"heads=3 kv_heads=1 head_dim=7 causal=1 kv_type=bf16 a=bf16 order=tile32", kTokens, kTokens, kSeed + 8},
      {"heads=2 kv_heads=1 head_dim=64 causal=topleft kv_type=bf16 a=bf16 order=tile32", 200, kTokens, kSeed + 9},
      {"heads=2 kv_heads=2 head_dim=21 kv_type=bf16 a=bf16 order=pairs", 130, kTokens, kSeed + 10},
      {"heads=4 kv_heads=2 head_dim=96 causal=1 kv_type=q8_0", kTokens, kTokens, kSeed + 11},
      {"heads=2 kv_heads=2 head_dim=32 causal=topleft kv_type=q8_0", 200, kTokens, kSeed + 12},
      {"heads=1 kv_heads=1 head_dim=128 kv_type=q8_0", 130, kTokens, kSeed + 13},
  };
  return all;
}

/// Single rows and runs of rows around the edges of tiles and segments; with topleft a piece begins with row 0.
std::vector<Piece> piecesOf(const Prompt& prompt) {
  constexpr std::pair<int64_t, int64_t> ranges[] = {{0, 1},       {2250, 2348}, {64, 65},     {1, 2},    {2040, 2056},
                                                    {65, 66},     {0, 130},     {2047, 2048}, {60, 67},  {2300, 2301},
                                                    {2048, 2049}, {63, 64},     {0, 0},       {100, 113}};
  std::vector<Piece> pieces;
  for (auto [begin, end] : ranges)
    if (end <= prompt.queries) pieces.push_back(prompt.piece(prompt.op.causal == Causal::TopLeft ? 0 : begin, end));
  return pieces;
}

/// The reference: the default schedule on one thread.
std::vector<float> wholeBits(KernelLibrary& library, const Prompt& prompt) {
  auto kernel = library.get(prompt.desc, defaultSchedule(prompt.desc, library.target()));
  REQUIRE(kernel);
  return run(*kernel, prompt, prompt.whole());
}

/// One level of this machine, the kernels that all tests use, and the reference of each prompt that the level is for.
struct LevelRuns {
  explicit LevelRuns(const Target& level) : library(level, {}) {
    for (const Prompt& prompt : prompts()) whole.push_back(runs(prompt) ? wholeBits(library, prompt) : std::vector<float>());
  }
  /// A level with the instruction for pairs is one for them alone.
  bool runs(const Prompt& prompt) const {
    return library.target().features.empty() || (prompt.op.a == RoundedTo::BF16 && prompt.op.order == PairOrder::Pairs);
  }
  KernelLibrary library;
  std::vector<std::vector<float>> whole;
};
std::deque<LevelRuns>& levelRuns() {
  static std::deque<LevelRuns> all;
  if (all.empty())
    for (const Target& level : pairTargets()) all.emplace_back(level);
  return all;
}

/// Schedules drawn for each prompt on the widest level: three, or as many as QUERN_TEST_CASES says.
size_t schedulesAsked() {
  const char* given = std::getenv("QUERN_TEST_CASES");
  return given == nullptr ? 3 : static_cast<size_t>(std::atoll(given));
}

struct Tally {
  int64_t runs = 0, kernels = 0, poisoned = 0;
  std::map<std::string, std::set<std::string>> values;  // of each key
};

/// Pools of 1, 2 and 3 threads, and none.
class Pools {
public:
  ThreadPool* at(size_t i) { return i % 4 == 0 ? nullptr : i % 4 == 1 ? &one_ : i % 4 == 2 ? &two_ : &three_; }

private:
  ThreadPool one_{1}, two_{2}, three_{3};
};

/// One piece against the same rows of the whole prompt.
void checkPiece(const KernelSet& kernel, const Prompt& prompt, const std::vector<float>& expected, const Piece& piece, size_t turn,
                Pools& pools, Tally& tally) {
  Placement placement = placementOf(turn);
  ThreadPool* pool = pools.at(turn);
  INFO(text(piece) << ", " << text(placement) << ", " << (pool == nullptr ? 0 : pool->threads()) << " threads of a pool");
  std::string wrong = differing(prompt.rowsOf(expected, piece), run(kernel, prompt, piece, placement, pool));
  INFO(wrong);
  CHECK(wrong.empty());
  ++tally.runs;
}

/// Keys and values from `poisoned` on are NaN, or Inf: rows that do not see them keep their bits, those that do are NaN.
void checkFuture(const KernelSet& kernel, const Prompt& prompt, const std::vector<float>& expected, const Piece& piece, int64_t poisoned,
                 size_t turn, Tally& tally) {
  bool infinite = tally.poisoned % 2 == 1;
  INFO(text(piece) << (infinite ? ", Inf" : ", NaN") << " from key " << poisoned << " on, " << text(placementOf(turn)));
  std::vector<float> got = run(kernel, prompt, piece, placementOf(turn), nullptr, poisoned, infinite);
  int64_t row = prompt.op.heads.value * prompt.op.headDim.value, clean = std::clamp(poisoned, piece.begin, piece.end) - piece.begin;
  Piece before{piece.begin, piece.begin + clean, piece.kv};
  std::string wrong = differing(prompt.rowsOf(expected, before), std::span(got).first(static_cast<size_t>(clean * row)));
  INFO(wrong);
  CHECK(wrong.empty());
  CHECK(std::all_of(got.begin() + clean * row, got.end(), [](float x) { return std::isnan(x); }));
  ++tally.poisoned;
}

void checkScratch(const KernelInfo& info, const DimValues& sizes) {
  std::vector<int64_t> dims;
  for (const std::string& name : info.dims) dims.push_back(sizes.at(name));
  INFO(info.op << " [" << info.schedule << "]");
  CHECK(info.threadScratchBytes.evaluate(dims).value_or(-1) <= kMostScratch);
}

void checkDrawn(KernelLibrary& library, const Prompt& prompt, const std::vector<float>& expected, size_t count, std::mt19937_64& random,
                Pools& pools, Tally& tally) {
  std::vector<Piece> pieces = piecesOf(prompt);
  for (size_t i = 0; i < count; ++i) {
    Schedule chosen = drawnSchedule(prompt.desc, library.target(), random);
    for (const ScheduleKeyInfo& key : keysOf(chosen)) tally.values[key.key].insert(key.value);
    auto kernel = library.tryOut(prompt.desc, chosen);
    INFO(text(prompt.desc) << " [" << text(chosen) << "] on " << library.target().level << (kernel ? "" : ": " + kernel.error().message));
    REQUIRE(kernel);
    checkScratch((*kernel)->info, prompt.dims(prompt.whole()));
    for (size_t j = 0; j < pieces.size(); ++j) checkPiece(*kernel, prompt, expected, pieces[j], random() % 12, pools, tally);
    ++tally.kernels;
    if (prompt.op.causal == Causal::No) continue;
    for (const Piece& piece : {prompt.piece(0, 130), prompt.piece(prompt.op.causal == Causal::TopLeft ? 0 : 100, 113)})
      checkFuture(*kernel, prompt, expected, piece,
                  piece.begin + 1 + static_cast<int64_t>(random() % static_cast<uint64_t>(piece.end - piece.begin - 1)), random() % 12,
                  tally);
    if (prompt.op.causal == Causal::LastRowSeesAll)
      checkFuture(*kernel, prompt, expected, prompt.piece(2040, 2056), 2048, i, tally);  // a segment that is NaN for those who see it
    else checkFuture(*kernel, prompt, expected, prompt.piece(0, 67), 67, i, tally);      // nobody sees one
  }
}

/// All rows, `rows` at a time, while the cache grows.
std::string chunkedWrong(const KernelSet& kernel, const Prompt& prompt, const std::vector<float>& expected, int64_t from, int64_t rows,
                         const Placement& placement, ThreadPool* pool) {
  Cache cache(prompt, kTokens, placement);
  for (int64_t begin = from; begin < prompt.queries; begin += rows) {
    Piece piece = prompt.piece(begin, std::min(begin + rows, prompt.queries));
    cache.grow(piece.kv);
    std::string wrong = differing(prompt.rowsOf(expected, piece), run(kernel, prompt, piece, cache, placement, pool));
    if (!wrong.empty()) return text(piece) + ": " + wrong;
  }
  return "";
}

}  // namespace

TEST_CASE("any schedule gives any rows of a prompt the bits they have in the whole one") {
  Tally tally;
  Pools pools;
  size_t perPrompt = schedulesAsked();
  for (LevelRuns& level : levelRuns()) {
    std::mt19937_64 random(kSeed);
    bool widest = &level == &levelRuns().back();
    for (size_t i = 0; i < prompts().size(); ++i)
      if (level.runs(prompts()[i]))
        checkDrawn(level.library, prompts()[i], level.whole[i], widest ? perPrompt : perPrompt / 2, random, pools, tally);
  }
  std::cout << tally.runs << " pieces and " << tally.poisoned << " with NaN ahead, on " << tally.kernels << " kernels, seed " << kSeed
            << "\n";
  CHECK(tally.runs >= 150);
  CHECK(tally.poisoned >= 30);
  const std::pair<const char*, size_t> kinds[] = {{"mr", 3}, {"pack", 2}, {"split", 2}, {"rows", 6}, {"kr", 3}, {"tiles", 4}};
  for (auto [key, count] : kinds) CHECK(tally.values[key].size() >= count);
}

TEST_CASE("levels with fma give the same bits") {
  const LevelRuns* first = nullptr;
  for (LevelRuns& level : levelRuns())
    for (size_t i = 0; i < prompts().size(); ++i) {
      INFO(text(prompts()[i].desc) << " on " << level.library.target().level);
      CHECK(std::none_of(level.whole[i].begin(), level.whole[i].end(), [](float x) { return std::isnan(x) || x == 0; }));
      if (!level.runs(prompts()[i])) continue;
      if (!level.library.target().isa().fma) continue;
      if (first == nullptr) first = &level;
      CHECK(differing(first->whole[i], level.whole[i]) == "");
    }
  if (first == nullptr || first == &levelRuns().back()) WARN("this machine has fewer than two levels with fma: none to compare");
}

TEST_CASE("a cache of q8_0 gives the bits of its values in f32") {
  int64_t compared = 0;
  for (LevelRuns& level : levelRuns())
    for (size_t i = 0; i < prompts().size(); ++i) {
      const Prompt& prompt = prompts()[i];
      if (prompt.op.kvType != ElementType::Q8_0 || !level.runs(prompt)) continue;
      Prompt plain = prompt;
      plain.op.kvType = ElementType::F32;
      plain.desc = plain.op;
      INFO(text(prompt.desc) << " on " << level.library.target().level);
      CHECK(differing(wholeBits(level.library, plain), level.whole[i]) == "");
      ++compared;
    }
  CHECK(compared >= 3);
}

TEST_CASE("a prompt in chunks or token by token, while the cache grows, has the bits of the whole") {
  Pools pools;
  int64_t chunkings = 0;
  for (LevelRuns& level : levelRuns())
    for (size_t i = 0; i < prompts().size(); ++i) {
      const Prompt& prompt = prompts()[i];
      if (prompt.op.causal != Causal::LastRowSeesAll || !level.runs(prompt)) continue;
      KernelSet kernel = kernelOf(level.library, prompt.desc);
      for (int64_t rows : {1, 3, 64, 100}) {
        // Token by token costs a call each: one op all the way, the others where the second segment begins.
        int64_t from = rows >= 64 || i == 0 ? 0 : 2000;
        Placement placement = placementOf(static_cast<size_t>(chunkings));
        ThreadPool* pool = rows == 1 ? nullptr : pools.at(static_cast<size_t>(chunkings));
        std::string wrong = chunkedWrong(kernel, prompt, level.whole[i], from, rows, placement, pool);
        INFO(text(prompt.desc) << " on " << level.library.target().level << ", " << rows << " rows at a time, " << text(placement) << "; "
                               << wrong);
        CHECK(wrong.empty());
        ++chunkings;
      }
    }
  CHECK(chunkings >= 12);
}

TEST_CASE("kernels for few rows, and with sizes compiled in, give the bits of the whole prompt") {
  Tally tally;
  Pools pools;
  int64_t narrow = 0;
  for (LevelRuns& level : levelRuns())
    for (size_t i = 0; i < prompts().size(); ++i) {
      const Prompt& prompt = prompts()[i];
      if (!level.runs(prompt)) continue;
      INFO(text(prompt.desc) << " on " << level.library.target().level);
      KernelSet kernel = kernelOf(level.library, prompt.desc);
      REQUIRE_FALSE(kernel.sized.empty());
      std::vector<Piece> pieces = piecesOf(prompt);
      for (size_t j = 0; j < pieces.size(); ++j) {
        const std::vector<int64_t> dims = {pieces[j].end - pieces[j].begin, pieces[j].kv};
        narrow += kernel.forDims(dims) != kernel.wide;
        checkPiece(kernel, prompt, level.whole[i], pieces[j], j, pools, tally);
      }
      for (size_t j = static_cast<size_t>(tally.kernels) % 12; j < pieces.size(); j += 12) {
        KernelSet compiledIn = kernelOf(level.library, fixed(prompt.desc, prompt.dims(pieces[j])));
        checkScratch(compiledIn.info(), {});
        for (size_t turn : {j, j + 1}) checkPiece(compiledIn, prompt, level.whole[i], pieces[j], turn, pools, tally);
        ++tally.kernels;
      }
    }
  std::cout << tally.runs << " pieces, " << narrow << " on kernels for few rows, " << tally.kernels << " kernels with sizes compiled in\n";
  CHECK(narrow >= 40);
  CHECK(tally.kernels >= 7);
}

TEST_CASE("no legal schedule takes more scratch than a thread is promised") {
  int64_t cases = 0;
  for (const Target& level : runnableLevels())
    for (const char* width : {"7", "40", "64", "128", "300"}) {
      OpDesc desc = op(fmt::format("attention q=* kv=* heads=4 kv_heads=2 head_dim={} causal=1", width));
      for (const char* keys :
           {"pack=none tiles=1", "pack=none tiles=4", "pack=none tiles=32 split=1", "pack=kv tiles=1", "pack=kv tiles=1 split=1"})
        for (int64_t lanes = 4; lanes <= level.vectorLanes(); lanes *= 2) {
          int64_t rows = 4096;  // as many as are legal
          while (rows > 0 && !parseSchedule(fmt::format("{} mr=1 kr=1 lanes={} rows={}", keys, lanes, rows), desc, level)) --rows;
          if (rows == 0) continue;
          Schedule most = schedule(fmt::format("{} mr=1 kr=1 lanes={} rows={}", keys, lanes, rows), desc, level);
          auto program = lower(desc, most, level);
          REQUIRE(program);
          checkScratch(kernelInfoOf(*program, desc, most), {{"q", 4096}, {"kv", 65536}});
          ++cases;
        }
    }
  CHECK(cases >= 25);
}

TEST_CASE("a key that is not the right one, or seen too early, is noticed") {
  KernelLibrary library(hostTarget(), {});
  Prompt prompt("heads=2 kv_heads=1 head_dim=7 causal=1", 100, 100, kSeed);
  std::vector<float> expected = wholeBits(library, prompt);
  KernelSet kernel = kernelOf(library, prompt.desc), all = kernelOf(library, op("attention q=* kv=* heads=2 kv_heads=1 head_dim=7"));
  CHECK(chunkedWrong(kernel, prompt, expected, 0, 64, {}, nullptr).empty());
  CHECK_FALSE(chunkedWrong(all, prompt, expected, 0, 64, {}, nullptr).empty());
  prompt.k[3] = std::nextafter(prompt.k[3], 2.0f);
  CHECK_FALSE(chunkedWrong(kernel, prompt, expected, 0, 64, {}, nullptr).empty());
}
