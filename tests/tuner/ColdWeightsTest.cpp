// tests/tuner/ColdWeightsTest.cpp — weights that are timed cold: as many copies as fill the cache, each call its own, all alike.
#include "compiler/base/Text.h"
#include "tests/Support.h"
#include "tuner/check/TimingOperands.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <map>

using namespace quern;

namespace {

/// What each call was given; the kernel's own work is done behind it.
struct Seen {
  std::vector<std::vector<const void*>> calls;  ///< addresses of all operands
};
Seen* gColdSeen = nullptr;
QuernKernel* gColdReal = nullptr;
size_t gColdOperands = 0;

void watchedKernel(const QuernArgs* args, int64_t begin, int64_t end) {
  std::vector<const void*> own(args->buffers, args->buffers + gColdOperands);
  if (gColdSeen->calls.empty() || gColdSeen->calls.back() != own) gColdSeen->calls.push_back(own);
  gColdReal(args, begin, end);
}

/// Of an op's calls: which operands change from call to call, that no address comes twice, that all hold the same, and that all results
/// are those of the first. `cold`: what the copies together are to exceed. Returns how many calls there are.
size_t checkCold(const std::string& given, const std::string& schedules, const DimValues& dims, int64_t cold, int64_t weightBytes) {
  INFO(given << " | " << schedules);
  KernelLibrary library(hostTarget(), {});
  OpDesc desc = op(given);
  auto real = library.get(desc, schedule(schedules, desc, library.target()));
  REQUIRE(real);
  auto watched = std::make_shared<CompiledKernel>(**real);
  watched->entry = watchedKernel;
  Seen seen;
  gColdSeen = &seen, gColdReal = (*real)->entry, gColdOperands = (*real)->info.buffers.size();
  TimingOperands operands(desc, dims, {}, cold);
  auto calls = operands.bindAll(KernelSet(KernelRef(watched)));
  REQUIRE(calls);
  std::vector<TensorSpec> specs = inputsOf(operands.inputs().op);
  auto elements = static_cast<size_t>(outputOf(operands.inputs().op).elements());
  std::vector<float> first;
  for (std::vector<KernelCall>& round : *calls) {
    REQUIRE(round.size() == 1);
    KernelCall& call = round[0];
    std::fill_n(operands.result(), elements, -7.0F);
    call.run();
    std::vector<float> result(operands.result(), operands.result() + elements);
    if (first.empty()) first = result;
    CHECK(std::memcmp(first.data(), result.data(), elements * sizeof(float)) == 0);
  }
  CHECK(std::count(first.begin(), first.end(), -7.0F) == 0);
  REQUIRE(seen.calls.size() == calls->size());
  for (size_t operand = 0; operand < gColdOperands; ++operand) {
    std::vector<const void*> places;
    for (const auto& call : seen.calls) places.push_back(call[operand]);
    std::sort(places.begin(), places.end());
    auto kinds = static_cast<size_t>(std::unique(places.begin(), places.end()) - places.begin());
    bool weight = operand < specs.size() && specs[operand].weight;
    INFO("operand " << operand);
    CHECK(kinds == (weight ? calls->size() : 1));
    if (!weight) continue;
    for (const auto& call : seen.calls)
      CHECK(std::memcmp(call[operand], seen.calls[0][operand],
                        static_cast<size_t>(bytesOf(specs[operand].type, specs[operand].elements()))) == 0);
    // No two copies share a byte.
    for (size_t i = 1; i < places.size(); ++i)
      CHECK(static_cast<const char*>(places[i]) - static_cast<const char*>(places[i - 1]) >= weightBytes);
  }
  CHECK(static_cast<int64_t>(calls->size()) * weightBytes >= cold);
  return calls->size();
}

}  // namespace

TEST_CASE("cold weights are there so often that together they exceed the cache; each call finds its own, with the same in it") {
  constexpr int64_t kWeight = 256 * 50 * 4, kCold = int64_t{1} << 20;
  size_t enough = (kCold + kWeight - 1) / kWeight;
  // What is copied is the weight as kernels read it: in panels, which 50 columns do not fill.
  CHECK(checkCold("matmul m=* n=50 k=256 const=b", "mr=1 nr=16", {{"m", 5}}, kCold, kWeight) == enough);
  CHECK(checkCold("matmul m=* n=50 k=256 const=b", "", {{"m", 5}}, 0, kWeight) == 1);
  CHECK(checkCold("matmul m=* n=50 k=256 const=b", "", {{"m", 5}}, 1, kWeight) == 1);
  CHECK(checkCold("matmul m=* n=50 k=256 const=b", "", {{"m", 5}}, kWeight + 1, kWeight) == 2);
}

TEST_CASE("cold weights of other types, with a bias beside them, and of ops that have none") {
  constexpr int64_t kQ8 = 256 * 50 / 32 * 34, kCold = 100'000;
  CHECK(checkCold("matmul m=* n=50 k=256 tb=1 const=b w=q8_0", "", {{"m", 3}}, kCold, kQ8) == (kCold + kQ8 - 1) / kQ8);
  CHECK(checkCold("matmul m=4 n=50 k=256 const=b ep=bias+residual", "", {}, kCold, 256 * 50 * 4) == 2);
  CHECK(checkCold("softmax x=8x40", "", {}, kCold, kCold) == 1);
}
